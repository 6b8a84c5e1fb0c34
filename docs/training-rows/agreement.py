"""Print how far two judges of the written training rows agreed; needs the dev extra."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from statsmodels.stats.inter_rater import cohens_kappa

ROOT = Path(__file__).resolve().parents[2]
REPLAY = ROOT / "remixer" / "examples" / "stdlib-replay.jsonl.gz"
AT_LENGTH = REPLAY.with_name("stdlib-judgements.jsonl.gz")
SECOND = Path(__file__).parent / "second.jsonl"
SCORES = 5
POSITIVE = 3
"""Scores from here on make a positive (`remixer/format.py`)."""
HEAD = (
    "| pairs judged twice | pairs | same score | at most 1 apart | same side of 3 "
    "| kappa (side of 3) | weighted kappa | positive: first | second |"
)


def first_scores() -> dict[tuple[str, str], int]:
    """Return (source, candidate) -> score of the judge whose labels are used."""
    return replay_scores(REPLAY)


def replay_scores(path: Path) -> dict[tuple[str, str], int]:
    """Return (source, candidate) -> score of the judgements in a replay file."""
    found = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            about = record["request"]["about"]
            if about["stage"] == "annotate":
                score = int(record["reply"]["text"].removesuffix("</score>")[-1])
                found[about["doc_id"], about["candidate"]] = score
    return found


def table(pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return counts `[first score, second score]`."""
    counts = np.zeros((SCORES, SCORES), dtype=int)
    for first, second in pairs:
        counts[first - 1, second - 1] += 1
    return counts


def row(name: str, counts: np.ndarray) -> str:
    """Return one line of the table."""
    total = counts.sum()
    cut = POSITIVE - 1
    sides = np.array(
        [[counts[:cut, :cut].sum(), counts[:cut, cut:].sum()],
         [counts[cut:, :cut].sum(), counts[cut:, cut:].sum()]]
    )  # fmt: skip
    close = sum(np.trace(counts, offset) for offset in (-1, 0, 1))
    shares = [np.trace(counts), close, np.trace(sides), sides[1].sum(), sides[:, 1].sum()]
    same, near, side, first, second = (f"{100 * part / total:.1f} %" for part in shares)
    kappa = cohens_kappa(sides).kappa
    weighted = cohens_kappa(counts, wt="fc").kappa
    return (
        f"| {name} | {total} | {same} | {near} | {side} | {kappa:.2f} | {weighted:.2f} "
        f"| {first} | {second} |"
    )


def main() -> None:
    """Print one line per part that was judged twice, and how long the full judgements are."""
    first = first_scores()
    parts: dict[str, list[tuple[int, int]]] = {}
    for line in SECOND.read_text(encoding="utf-8").splitlines():
        own = json.loads(line)
        pair = first[own["doc_id"], own["candidate"]], own["score"]
        parts.setdefault(own["part"], []).append(pair)
    at_length = replay_scores(AT_LENGTH)
    parts["at length"] = [(first[pair], at_length[pair]) for pair in at_length if pair in first]
    print(HEAD)
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, pairs in parts.items():
        print(row(name, table(pairs)))
    print()
    print(length_line(at_length))


def length_line(scores: Mapping[tuple[str, str], int]) -> str:
    """Return a sentence on the judgements of full length."""
    words = []
    with gzip.open(AT_LENGTH, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["request"]["about"]["stage"] == "annotate":
                words.append(len(record["reply"]["text"].split()))
    counts = Counter(scores.values())
    each = ", ".join(f"{counts[score]} of {score}" for score in range(1, SCORES + 1))
    return (
        f"At length: {len(words)} judgements of {min(words)} to {max(words)} words, "
        f"{np.mean(words):.0f} in the mean; scores: {each}."
    )


if __name__ == "__main__":
    main()
