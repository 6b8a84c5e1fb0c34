"""The embedded tasks: real questions on real documentation, with nothing to download.

Four tasks over one corpus, one for each wording of the same situations, with the same judgements.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import lru_cache

from harness.core.types import Corpus, PromptFields, Query, Task
from harness.data.stdlib.corpus import build_corpus
from harness.data.stdlib.situations import LEVELS, Situation, read_judged, read_situations

GROUP = "stdlib"
GOLD = "gold-2"
HEAD_METRIC = "ndcg@10"
TASKS = {f"{GROUP}-{level}": level for level in LEVELS}
"""Task -> level, from the least reasoning to the most."""

WORDING = PromptFields(
    slug="stdlib",
    name="Python programming",
    query_kind="Python programming question",
    query_noun="question",
    document_noun="documentation entries",
)


def load_stdlib(name: str) -> Task:
    """Load the task of one level, its corpus taken from the running interpreter.

    The revision names the judgements and the interpreter (`gold-2, python-3.11.7`), the corpus
    key the interpreter: another version documents other objects. Judged documents that this
    interpreter lacks (a build without `sqlite3`, say) are not judged, and a note counts those
    that would be relevant. Documents that were judged and do not help have grade 0.
    """
    corpus = _built(build_corpus)
    known = frozenset(corpus.ids)
    judged = read_judged()
    situations = read_situations()
    kept = tuple(each for each in situations if known.intersection(each.answers))
    python = f"python-{platform.python_version()}"
    return Task(
        name=name,
        group=GROUP,
        revision=f"{GOLD}, {python}",
        query_set="original",
        queries=tuple(Query(each.id, each.wordings[TASKS[name]]) for each in kept),
        qrels={each.id: _grades(each, judged.get(each.id, ()), known) for each in kept},
        excluded={},
        head_metric=HEAD_METRIC,
        prompt_fields=WORDING,
        corpus=corpus,
        corpus_key=python,
        notes=_missing_note(situations, known, len(situations) - len(kept)),
    )


@lru_cache(maxsize=1)
def _built(build: Callable[[], Corpus]) -> Corpus:
    """Build the corpus once for the four tasks."""
    return build()


def _grades(each: Situation, judged: tuple[str, ...], known: frozenset[str]) -> dict[str, int]:
    """Return document -> grade for one situation, of the documents that are there."""
    grades = {**dict.fromkeys(judged, 0), **each.grades}
    return {name: grades[name] for name in sorted(grades) if name in known}


def _missing_note(
    situations: tuple[Situation, ...], known: frozenset[str], dropped: int
) -> tuple[str, ...]:
    """Return the warning about relevant documents that this interpreter lacks, if any."""
    missing = sorted({name for each in situations for name in each.grades} - known)
    if not missing:
        return ()
    return (
        f"{len(missing)} relevant documents do not exist in this interpreter "
        f"({', '.join(missing)}); {dropped} queries without any answer were dropped",
    )
