"""Labels that tell apart rows of one model name: by configuration, or by source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.leaderboard.rows import Kind, Row
from results.systems import labels_of


def with_labels(rows: Iterable[Row]) -> list[Row]:
    """Return the rows, those of one kind that share a model name with a label each.

    A measured row's label is a name that `rebench compare` takes; the label of any other row
    says whose numbers they are (`bm25 (anserini)`).
    """
    given = list(rows)
    by_name: dict[tuple[Kind, str], list[Row]] = {}
    for row in given:
        by_name.setdefault((row.kind, row.model), []).append(row)
    labels: dict[int, str] = {}
    for (kind, model), same in by_name.items():
        if len(same) > 1:
            texts = (
                labels_of(model, [row.entries[0] for row in same])
                if kind == "measured"
                else [f"{model} ({tag})" for tag in _numbered([row.tag for row in same])]
            )
            labels.update((id(row), text) for row, text in zip(same, texts, strict=True))
    return [replace(row, label=labels[id(row)]) if id(row) in labels else row for row in given]


def _numbered(tags: Sequence[str]) -> list[str]:
    """Return the tags; those that repeat get a number."""
    return [
        tag if tags.count(tag) == 1 else f"{tag} {tags[: at + 1].count(tag)}"
        for at, tag in enumerate(tags)
    ]
