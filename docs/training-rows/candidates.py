"""Print how the candidates of the written training rows were judged, list by list."""

from __future__ import annotations

from collections import Counter

from agreement import POSITIVE, ROOT, SCORES, first_scores

from harness.data.trec import read_run

LISTS = {"MiniLM": "stdlib-minilm.trec.gz", "fused": "stdlib-fused.trec.gz"}


def main() -> None:
    """Print one line per list of candidates."""
    scores = first_scores()
    marks = " | ".join(f"score {score}" for score in range(1, SCORES + 1))
    print(f"| candidates | pairs | {marks} | share of score 1 | queries without a positive |")
    print("|---|" + "--:|" * (SCORES + 3))
    for name, file in LISTS.items():
        run = read_run(ROOT / "remixer" / "examples" / file)
        judged = [
            [scores[source, candidate] for candidate in ranking.doc_ids]
            for source, ranking in run.rankings.items()
        ]
        counts = Counter(score for row in judged for score in row)
        lost = sum(max(row) < POSITIVE for row in judged)
        each = " | ".join(f"{counts[score]:,}" for score in range(1, SCORES + 1))
        print(
            f"| {name} | {counts.total():,} | {each} | {100 * counts[1] / counts.total():.1f} % "
            f"| {lost} of {len(judged)} ({100 * lost / len(judged):.1f} %) |"
        )


if __name__ == "__main__":
    main()
