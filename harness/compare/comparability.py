"""Whether two entries were evaluated on the same data, and what differs if they were not.

Two entries compare on a task if judgements, query set and, as far as both are known, query texts
and documents are the same. If they are not, a difference would be about the data, not the systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.errors import NotComparable, StoreError
from harness.core.hashing import queries_fingerprint
from harness.core.types import Qrels, Task
from harness.render.numbers import few
from results.judgements import load_judgements
from results.schema import Entry
from results.systems import System

NO_TEXTS = queries_fingerprint(())
"""The fingerprint of queries whose texts are not known: a run that came without them."""


def check_comparable(systems: Sequence[System], tasks: Sequence[str], root: Path) -> None:
    """Raise `NotComparable`, saying what differs, if systems were evaluated on different data.

    `root` is the results folder, whose stored judgements say which gold was added or dropped.
    """
    first = systems[0]
    for other in systems[1:]:
        by_difference: dict[str, list[str]] = {}
        for task in tasks:
            for what in data_differences(first.entries[task], other.entries[task], root):
                by_difference.setdefault(what, []).append(task)
        if by_difference:
            reasons = "\n".join(f"  {few(on)}: {what}" for what, on in by_difference.items())
            raise NotComparable(
                f"{first.label} and {other.label} were evaluated on different data, "
                f"so there is no number:\n{reasons}",
                fix="Measure both on the same version, or name tasks they share with --tasks.",
            )


def data_differences(a: Entry, b: Entry, root: Path) -> tuple[str, ...]:
    """Return what makes two entries on one task incomparable; empty if they compare.

    What does not forbid a comparison by itself (the revision's name, the instruction) is named
    if something else does, since it is the likely cause.
    """
    one, other = a.task, b.task
    differences = []
    if one.query_set != other.query_set:
        differences.append(f"query set: {one.query_set} against {other.query_set}")
    elif _differ(one.queries_fingerprint, other.queries_fingerprint, unknown=NO_TEXTS):
        differences.append("the texts of the queries differ")
    if one.fingerprint != other.fingerprint:
        differences.extend(_judgement_differences(one.fingerprint, other.fingerprint, root))
    if _differ(one.corpus_fingerprint, other.corpus_fingerprint, unknown=None):
        differences.append(
            f"the documents differ ({one.n_documents:,} against {other.n_documents:,})"
            if one.n_documents != other.n_documents
            else "the documents differ"
        )
    if not differences:
        return ()
    if one.revision != other.revision:
        differences.append(f"revision: {one.revision} against {other.revision}")
    instructions = _instruction(a), _instruction(b)
    if None not in instructions and instructions[0] != instructions[1]:
        differences.append(f"instruction: {instructions[0]!r:.80} against {instructions[1]!r:.80}")
    return tuple(differences)


def _differ(one: str | None, other: str | None, *, unknown: str | None) -> bool:
    """Tell whether two fingerprints differ, both being known."""
    return one != other and unknown not in (one, other)


def _judgement_differences(one: str, other: str, root: Path) -> list[str]:
    """Return how two versions of the judgements differ, as far as they are stored."""
    try:
        first, second = load_judgements(root, one), load_judgements(root, other)
    except StoreError as error:
        return [f"the judgements differ ({error.message})"]
    differences = [
        *_query_differences(first.qrels, second.qrels),
        *_gold_differences(first, second),
    ]
    excluded = [
        qid
        for qid in first.qrels.keys() & second.qrels.keys()
        if first.excluded.get(qid, frozenset()) != second.excluded.get(qid, frozenset())
    ]
    if excluded:
        differences.append(
            f"exclusions differ for {len(excluded)} queries, such as {min(excluded)!r}"
        )
    if first.aspects != second.aspects:
        differences.append("the aspects of the gold documents, or their weights, differ")
    if first.head_metric != second.head_metric:
        differences.append(f"head metric: {first.head_metric} against {second.head_metric}")
    if first.corpus_key != second.corpus_key:
        differences.append(f"corpus: {first.corpus_key} against {second.corpus_key}")
    return differences or ["the judgements differ"]


def _query_differences(first: Qrels, second: Qrels) -> list[str]:
    """Return which queries only one version judges."""
    differences = []
    for which, odd in (
        ("first", first.keys() - second.keys()),
        ("second", second.keys() - first.keys()),
    ):
        if odd:
            noun = "query is" if len(odd) == 1 else "queries are"
            differences.append(
                f"{len(odd)} {noun} judged for the {which} only, such as {min(odd)!r}"
            )
    return differences


def _gold_differences(first: Task, second: Task) -> list[str]:
    """Return which gold documents were added or dropped for queries that both judge."""
    added, dropped, regraded = [], [], []
    for qid in sorted(first.qrels.keys() & second.qrels.keys()):
        old, new = _gold(first.qrels[qid]), _gold(second.qrels[qid])
        added += [(qid, doc) for doc in sorted(new.keys() - old.keys())]
        dropped += [(qid, doc) for doc in sorted(old.keys() - new.keys())]
        regraded += [(qid, doc) for doc in sorted(old.keys() & new.keys()) if old[doc] != new[doc]]
    return [
        f"gold: {len(pairs)} {what}, such as {pairs[0][1]!r} for query {pairs[0][0]!r}"
        for pairs, what in (
            (added, "documents the second has and the first lacks"),
            (dropped, "documents the first has and the second lacks"),
            (regraded, "grades changed"),
        )
        if pairs
    ]


def _gold(grades: Mapping[str, int]) -> dict[str, int]:
    """Return the relevant documents with their grades."""
    return {doc: grade for doc, grade in grades.items() if grade >= 1}


def _instruction(entry: Entry) -> str | None:
    """Return the instruction put before an entry's queries, where its identity holds one."""
    spaces = entry.identity.get("spaces")
    query = spaces.get("query") if isinstance(spaces, Mapping) else None
    text = query.get("instruction") if isinstance(query, Mapping) else None
    return text if isinstance(text, str) else None
