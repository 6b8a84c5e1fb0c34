"""Rows of `examples` as BRIGHT and its kin have them: a query with its gold and excluded ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import BadInput
from harness.core.types import Qrels, Query
from harness.data.checks import Rows, check_exclusions, id_of, ids_of, text_of

_NOTHING = frozenset({"N/A", "NA"})
"""Stand in lists of ids for "none": BRIGHT's StackExchange tasks and pony, TEMPO."""


@dataclass(frozen=True, slots=True)
class ExampleFields:
    """How the rows name gold and excluded ids (empty: nothing is excluded).

    With `needs_gold` a query without gold is refused; else it is left out.
    """

    gold: str = "gold_ids"
    excluded: str = "excluded_ids"
    needs_gold: bool = True


@dataclass(frozen=True, slots=True)
class Examples:
    """The judged queries of a task, and how many were left out since they have no gold."""

    queries: tuple[Query, ...]
    qrels: Qrels
    excluded: Mapping[str, frozenset[str]]
    without_gold: int = 0


@dataclass(slots=True)
class _ExampleRows:
    """Collects rows; equal ids are one object."""

    rows: Rows
    fields: ExampleFields
    queries: dict[str, Query] = field(default_factory=dict)
    qrels: dict[str, dict[str, int]] = field(default_factory=dict)
    excluded: dict[str, frozenset[str]] = field(default_factory=dict)
    known: dict[object, str] = field(default_factory=dict)
    without_gold: int = 0

    def add(self, row: Mapping[str, Any], number: int) -> None:
        """Take one row; raises `BadInput`."""
        rows, fields = self.rows, self.fields
        qid = id_of(row, "id", rows, number)
        if qid in self.queries:
            raise BadInput(f"{rows.at(number)}: query id {qid!r} again", fix="Drop one of the two.")
        query = Query(qid, text_of(row, "query", rows, number))
        gold = self._ids(row, fields.gold, number)
        if not gold and fields.needs_gold:
            raise BadInput(
                f"{rows.at(number)}: query {qid!r} has no {fields.gold}",
                fix="Every query of BRIGHT has gold documents; fetch the file again.",
            )
        if not gold:
            self.without_gold += 1
            return
        self.queries[qid] = query
        self.qrels[qid] = dict.fromkeys(gold, 1)
        left_out = self._ids(row, fields.excluded, number) if fields.excluded else []
        if left_out:
            self.excluded[qid] = frozenset(left_out)

    def _ids(self, row: Mapping[str, Any], key: str, number: int) -> list[str]:
        """Return a row's ids without those that say "none"."""
        ids = ids_of(row, key, self.rows, number, self.known)
        return [doc_id for doc_id in ids if doc_id not in _NOTHING]


def read_examples(rows: Rows, fields: ExampleFields) -> Examples:
    """Return the judged queries, in file order.

    Repeated ids count once; `["N/A"]` and `[]` mean none. Raises `BadInput` for rows that cannot
    be used, a repeated query, and a gold document that its query excludes.
    """
    reader = _ExampleRows(rows, fields)
    for number, row in rows.items:
        reader.add(row, number)
    if not reader.queries:
        raise BadInput(f"{rows.label} holds no queries", fix="Fetch the file again.")
    check_exclusions(reader.qrels, reader.excluded, rows.label)
    queries = tuple(reader.queries.values())
    return Examples(queries, reader.qrels, reader.excluded, reader.without_gold)
