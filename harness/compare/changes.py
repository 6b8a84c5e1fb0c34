"""The queries on which two systems differ most, with gold and what each ranked first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.differences import QueryColumns
from harness.core.types import Json, Run
from harness.stats.samples import Values

TOP = 3
DIGITS = 9
"""Changes that agree to so many decimals are equal, as values within 1e-9 count as ties."""


@dataclass(frozen=True, slots=True)
class Change:
    """One query: the values of systems `a` and `b`, its gold, and the first three of each.

    `text` is the query's original wording and `snippets` texts of the named documents, if the
    task is on this machine; otherwise empty. `terms` maps a system that weighs terms to the query's
    heaviest ones, those that its text does not hold with a `+` in front.
    """

    task: str
    query: str
    a: str
    b: str
    value_a: float
    value_b: float
    gold: tuple[str, ...] = ()
    top_a: tuple[str, ...] = ()
    top_b: tuple[str, ...] = ()
    text: str = ""
    snippets: Mapping[str, str] | None = None
    terms: Mapping[str, tuple[str, ...]] | None = None

    @property
    def delta(self) -> float:
        """Return how much better `a` is on the query."""
        return self.value_a - self.value_b

    @property
    def documents(self) -> tuple[str, ...]:
        """Return all documents that are named, each once."""
        return tuple(dict.fromkeys((*self.gold, *self.top_a, *self.top_b)))


def largest_changes(
    rows: Values, columns: QueryColumns, labels: Sequence[str], count: int
) -> tuple[Change, ...]:
    """Return the `count` largest gains of the first of two rows, then its largest losses.

    `labels` are those of the two systems.
    Equal changes come in the order of the columns. Nothing that does not change is listed.
    """
    gaps = np.round(rows[0] - rows[1], DIGITS)
    order = np.argsort(-gaps, kind="stable")
    gains = [int(at) for at in order[:count] if gaps[at] > 0]
    losses = [int(at) for at in np.argsort(gaps, kind="stable")[:count] if gaps[at] < 0]
    return tuple(
        Change(
            task=columns.tasks[at],
            query=columns.queries[at],
            a=labels[0],
            b=labels[1],
            value_a=float(rows[0, at]),
            value_b=float(rows[1, at]),
        )
        for at in (*gains, *losses)
    )


def first_documents(run: Run, query: str) -> tuple[str, ...]:
    """Return the documents that a run ranks first for a query; none if it lacks the query."""
    ranking = run.rankings.get(query)
    return () if ranking is None else ranking.doc_ids[:TOP]


def with_first_documents(
    changes: Sequence[Change], read: Callable[[str, str], Run]
) -> list[Change]:
    """Return the changes with the documents that both systems rank first.

    `read(system, task)` is called once for each system and task that the changes name.
    """
    runs: dict[tuple[str, str], Run] = {}

    def top(change: Change, system: str) -> tuple[str, ...]:
        key = (system, change.task)
        if key not in runs:
            runs[key] = read(*key)
        return first_documents(runs[key], change.query)

    return [
        replace(change, top_a=top(change, change.a), top_b=top(change, change.b))
        for change in changes
    ]


def with_query_terms(
    changes: Sequence[Change], facts: Callable[[str, str], Mapping[str, Json]]
) -> list[Change]:
    """Return the changes with the terms that systems weigh in their queries, where entries say.

    `facts(system, task)` returns an entry's facts; a sparse retriever's hold `query_terms`.
    """

    def terms(change: Change, system: str) -> tuple[str, ...]:
        listed = facts(system, change.task).get("query_terms")
        rows = listed.get(change.query) if isinstance(listed, Mapping) else None
        return tuple(_term(row) for row in rows) if isinstance(rows, list | tuple) else ()

    with_terms = []
    for change in changes:
        said = {system: terms(change, system) for system in (change.a, change.b)}
        known = {system: listed for system, listed in said.items() if listed}
        with_terms.append(replace(change, terms=known or None))
    return with_terms


def _term(row: Json) -> str:
    """Return one term of an entry's facts: `[term, weight, expansion]`."""
    if not isinstance(row, list | tuple) or len(row) != 3:
        return str(row)
    return f"+{row[0]}" if row[2] else str(row[0])
