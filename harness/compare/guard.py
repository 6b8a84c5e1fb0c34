"""The comparability guard: what sets the grounds of two entries apart, in words.

Two entries compare on a task when judgements, query set and, where both are known, query texts and
documents are the same. Where they are not, a number would be about the ground, not the systems.
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


def check_ground(systems: Sequence[System], tasks: Sequence[str], root: Path) -> None:
    """Raise `NotComparable` saying what differs unless all systems stand on the same ground.

    `root` is the results folder, whose stored judgements tell which gold was added or dropped.
    """
    first = systems[0]
    for other in systems[1:]:
        by_difference: dict[str, list[str]] = {}
        for task in tasks:
            for what in ground_differences(first.entries[task], other.entries[task], root):
                by_difference.setdefault(what, []).append(task)
        if by_difference:
            told = "\n".join(f"  {few(on)}: {what}" for what, on in by_difference.items())
            raise NotComparable(
                f"{first.label} and {other.label} stand on different ground, "
                f"so there is no number:\n{told}",
                fix="Measure both on the same version, or name tasks they share with --tasks.",
            )


def ground_differences(a: Entry, b: Entry, root: Path) -> tuple[str, ...]:
    """Return what makes two entries on one task incomparable; empty where they compare.

    What does not forbid a comparison by itself (the revision's name, the instruction) is told
    where something else does, since it is the likely cause.
    """
    one, other = a.task, b.task
    found = []
    if one.query_set != other.query_set:
        found.append(f"query set: {one.query_set} against {other.query_set}")
    elif _differ(one.queries_fingerprint, other.queries_fingerprint, unknown=NO_TEXTS):
        found.append("the texts of the queries differ")
    if one.fingerprint != other.fingerprint:
        found.extend(_judgement_differences(one.fingerprint, other.fingerprint, root))
    if _differ(one.corpus_fingerprint, other.corpus_fingerprint, unknown=None):
        found.append(
            f"the documents differ ({one.n_documents:,} against {other.n_documents:,})"
            if one.n_documents != other.n_documents
            else "the documents differ"
        )
    if not found:
        return ()
    if one.revision != other.revision:
        found.append(f"revision: {one.revision} against {other.revision}")
    instructions = _instruction(a), _instruction(b)
    if None not in instructions and instructions[0] != instructions[1]:
        found.append(f"instruction: {instructions[0]!r:.80} against {instructions[1]!r:.80}")
    return tuple(found)


def _differ(one: str | None, other: str | None, *, unknown: str | None) -> bool:
    """Tell whether two fingerprints differ, both being known."""
    return one != other and unknown not in (one, other)


def _judgement_differences(one: str, other: str, root: Path) -> list[str]:
    """Return how two versions of the judgements differ, as far as they are stored."""
    try:
        first, second = load_judgements(root, one), load_judgements(root, other)
    except StoreError as error:
        return [f"the judgements differ ({error.message})"]
    found = [*_query_differences(first.qrels, second.qrels), *_gold_differences(first, second)]
    excluded = [
        qid
        for qid in first.qrels.keys() & second.qrels.keys()
        if first.excluded.get(qid, frozenset()) != second.excluded.get(qid, frozenset())
    ]
    if excluded:
        found.append(f"exclusions differ for {len(excluded)} queries, such as {min(excluded)!r}")
    if first.head_metric != second.head_metric:
        found.append(f"head metric: {first.head_metric} against {second.head_metric}")
    if first.corpus_key != second.corpus_key:
        found.append(f"corpus: {first.corpus_key} against {second.corpus_key}")
    return found or ["the judgements differ"]


def _query_differences(first: Qrels, second: Qrels) -> list[str]:
    """Return which queries only one version judges."""
    found = []
    for which, odd in (
        ("first", first.keys() - second.keys()),
        ("second", second.keys() - first.keys()),
    ):
        if odd:
            noun = "query is" if len(odd) == 1 else "queries are"
            found.append(f"{len(odd)} {noun} judged for the {which} only, such as {min(odd)!r}")
    return found


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
