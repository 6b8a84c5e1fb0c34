"""What a data set's rows come to, whatever its layout: the parts of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core.types import CandidateLists, Corpus, Qrels, Query, QueryAspects


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Whether documents are read, and whether the last of several texts of one id counts."""

    with_corpus: bool = True
    last_counts: bool = False


@dataclass(frozen=True, slots=True)
class GroundParts:
    """A task's queries, judgements and documents, and notes on how they were read."""

    queries: tuple[Query, ...]
    qrels: Qrels
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    corpus: Corpus | None = None
    candidates: CandidateLists = field(default_factory=dict)
    aspects: Mapping[str, QueryAspects] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def repeats_note(count: int) -> str:
    """Return the sentence on rows of a corpus that repeat an id."""
    return f"{count:,} rows repeat the id of another document, which counts once"
