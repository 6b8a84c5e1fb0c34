"""A task of the embedded kind: situations in one wording, over docstrings that are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from harness.core.errors import DataUnavailable
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.data.situations import Collection, Situation, read_judged, read_situations

HEAD_METRIC = "ndcg@10"


@dataclass(frozen=True, slots=True)
class EmbeddedGroup:
    """Tasks over one corpus, one for each wording of the same situations, judged once.

    `gold` names the version of the judgements, `build_corpus` collects the documents of what is
    installed and `version` names it (`python-3.11.7`): another version documents other objects.
    `drops_missing` says what happens if a relevant document is missing: situations that lose every
    answer are dropped with a note, or the task is refused. `source` and `licence` are the corpus'.
    """

    name: str
    collection: Collection
    gold: str
    wording: PromptFields
    build_corpus: Callable[[], Corpus]
    version: Callable[[], str]
    drops_missing: bool
    source: str
    licence: str

    @property
    def tasks(self) -> dict[str, str]:
        """Return task -> level, from the least reasoning to the most."""
        return {f"{self.name}-{level}": level for level in self.collection.levels}


def load_embedded(group: EmbeddedGroup, level: str) -> Task:
    """Load the task of one level, its corpus taken from what is installed.

    The revision names the judgements and the version (`gold-2, python-3.11.7`), the corpus key
    the version alone. Documents that were judged and do not help have grade 0. Judged documents
    that are not installed (a build without `sqlite3`, say) are not judged; of the relevant ones a
    note says so, or `DataUnavailable` if the group takes no such version.
    """
    corpus = _built(group.build_corpus)
    known = frozenset(corpus.ids)
    judged = read_judged(group.collection)
    situations = read_situations(group.collection)
    missing = sorted({name for each in situations for name in each.grades} - known)
    version = group.version()
    if missing and not group.drops_missing:
        raise DataUnavailable(
            f"{version} has no {missing[0]}, a relevant document of the {group.name} tasks"
            + (f" ({len(missing)} are missing)" if len(missing) > 1 else ""),
            fix="Install a version in which it exists, or leave these tasks out.",
        )
    kept = tuple(each for each in situations if known.intersection(each.answers))
    return Task(
        name=f"{group.name}-{level}",
        group=group.name,
        revision=f"{group.gold}, {version}",
        query_set="original",
        queries=tuple(Query(each.id, each.wordings[level]) for each in kept),
        qrels={each.id: _grades(each, judged.get(each.id, ()), known) for each in kept},
        excluded={},
        head_metric=HEAD_METRIC,
        prompt_fields=group.wording,
        corpus=corpus,
        corpus_key=version,
        notes=_missing_note(missing, len(situations) - len(kept)),
    )


@lru_cache(maxsize=2)
def _built(build: Callable[[], Corpus]) -> Corpus:
    """Build a group's corpus once for its tasks."""
    return build()


def _grades(each: Situation, judged: tuple[str, ...], known: frozenset[str]) -> dict[str, int]:
    """Return document -> grade for one situation, of the documents that are there."""
    grades = {**dict.fromkeys(judged, 0), **each.grades}
    return {name: grades[name] for name in sorted(grades) if name in known}


def _missing_note(missing: list[str], dropped: int) -> tuple[str, ...]:
    """Return the warning about relevant documents that are not installed, if any."""
    if not missing:
        return ()
    return (
        f"{len(missing)} relevant documents do not exist in this interpreter "
        f"({', '.join(missing)}); {dropped} queries without any answer were dropped",
    )
