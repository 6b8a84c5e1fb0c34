"""Print how the candidates of the written training rows were judged, and why queries are lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from agreement import POSITIVE, ROOT, SCORES, first_scores

from harness.core.types import Run
from harness.data.trec import read_run
from remixer.corpus import named_documents

EXAMPLES = ROOT / "remixer" / "examples"
LISTS = {
    "MiniLM": "stdlib-minilm.trec.gz",
    "fused": "stdlib-fused.trec.gz",
    "both, pooled": "stdlib-pooled.trec.gz",
}


def main() -> None:
    """Print one line per list of candidates."""
    scores = first_scores()
    marks = " | ".join(f"score {score}" for score in range(1, SCORES + 1))
    print(f"| candidates | pairs | {marks} | share of score 1 | queries without a positive |")
    print("|---|" + "--:|" * (SCORES + 3))
    for name, file in LISTS.items():
        run = read_run(EXAMPLES / file)
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
    print()
    _print_causes(scores, read_run(EXAMPLES / LISTS["both, pooled"]))


def _print_causes(scores: Mapping[tuple[str, str], int], run: Run) -> None:
    """Print what the queries that the pooled list leaves without a positive have instead."""
    mined = named_documents(EXAMPLES / "stdlib-documents.txt.gz")
    causes: Counter[str] = Counter()
    for source, ranking in run.rankings.items():
        if max(scores[source, candidate] for candidate in ranking.doc_ids) >= POSITIVE:
            continue
        own = {doc: score for (query, doc), score in scores.items() if query == source}
        best = max(own.values())
        gold = max((score for doc, score in own.items() if doc not in mined), default=0)
        if gold >= POSITIVE:
            causes["a positive that is gold of the task's own queries, so it is not mined"] += 1
        elif best >= POSITIVE:
            causes["a positive that only an earlier list held"] += 1
        else:
            causes[f"no positive in any list; the best of all judged candidates has {best}"] += 1
    print("| queries without a positive in the pooled list | queries |")
    print("|---|--:|")
    for cause, count in causes.most_common():
        print(f"| {cause} | {count} |")


if __name__ == "__main__":
    main()
