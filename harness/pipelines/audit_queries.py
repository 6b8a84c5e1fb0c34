"""Do rewrites know the answer? Numbers with their chance level, never a verdict.

Good distillation of a question and training on the test questions look alike in single numbers, so
each is given beside what rewrites have in common with the answers of *other* queries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Task
from harness.pipelines.answers import Known
from harness.pipelines.permutation import ChanceMeasure, against_chance
from harness.search.lucene.porter import stem

SPAN = 8
"""Words in a row that count as copied: fewer occur by themselves."""

LEAST_LETTERS = 4
"""Shorter words are mostly function words and say nothing of content."""

_WORD = re.compile(r"[^\W\d_]+")


def content_words(text: str) -> frozenset[str]:
    """Return the stems of a text's words of four letters or more."""
    return frozenset(
        stem(word) for word in _WORD.findall(text.lower()) if len(word) >= LEAST_LETTERS
    )


def audit_queries(task: Task, rewrites: Mapping[str, str], known: Known) -> list[ChanceMeasure]:
    """Return the measures of rewrites (query id -> text) of a task with its original queries.

    Measures that need answers or titles are over the queries that have them, and left out where
    fewer than two have.
    """
    originals = {query.id: query.text for query in task.queries}
    new = {
        qid: content_words(text) - content_words(originals[qid]) for qid, text in rewrites.items()
    }
    measures = [
        _paired(
            "new words in the answer",
            new,
            {qid: content_words(text) for qid, text in known.answers.items()},
            _share,
            "of a rewrite's content words that the query lacks, the share that its answer has",
        ),
        _paired(
            "a new word in a gold title",
            new,
            {qid: content_words(text) for qid, text in known.titles.items()},
            _any,
            "share of rewrites with a word that the query lacks and a gold title has",
        ),
        _paired(
            f"{SPAN} words in a row from the answer",
            {qid: spans(text) - spans(originals[qid]) for qid, text in rewrites.items()},
            {qid: spans(text) for qid, text in known.answers.items()},
            _any,
            f"share of rewrites with {SPAN} words in a row of the answer that the query lacks",
        ),
    ]
    return [*filter(None, measures), *_plain(originals, rewrites)]


def spans(text: str) -> frozenset[str]:
    """Return the runs of `SPAN` words of a text, in lower case."""
    words = _WORD.findall(text.lower())
    return frozenset(" ".join(words[at : at + SPAN]) for at in range(len(words) - SPAN + 1))


def _share(own: frozenset[str], other: frozenset[str]) -> float:
    return len(own & other) / len(own) if own else 0.0


def _any(own: frozenset[str], other: frozenset[str]) -> float:
    return float(not own.isdisjoint(other))


def _paired(
    name: str,
    rewrites: Mapping[str, frozenset[str]],
    partners: Mapping[str, frozenset[str]],
    value: Callable[[frozenset[str], frozenset[str]], float],
    help: str,
) -> ChanceMeasure | None:
    """Return a measure of rewrites against the query's own partner and against others'."""
    ids = [qid for qid in rewrites if partners.get(qid)]
    if len(ids) < 2:
        return None
    pairs: NDArray[np.float64] = np.array(
        [[value(rewrites[one], partners[other]) for other in ids] for one in ids]
    )
    own, others, p = against_chance(pairs)
    return ChanceMeasure(name, 100 * own, "%", len(ids), 100 * others, p, help)


def _plain(originals: Mapping[str, str], rewrites: Mapping[str, str]) -> list[ChanceMeasure]:
    """Return what describes rewrites without anything to compare with."""
    count = len(rewrites)
    lengths = [len(text.split()) for text in rewrites.values()]
    before = [len(originals[qid].split()) for qid in rewrites]
    kept = [
        _share(spans(originals[qid]), spans(text))
        for qid, text in rewrites.items()
        if spans(originals[qid])
    ]
    return [
        ChanceMeasure("words, median", float(np.median(lengths)), "words", count),
        ChanceMeasure("words of the query, median", float(np.median(before)), "words", count),
        ChanceMeasure(
            "the query kept", 100 * float(np.mean(kept)) if kept else 0.0, "%", len(kept),
            help=f"share of the query's runs of {SPAN} words that the rewrite repeats",
        ),
        ChanceMeasure(
            "sameness", 100 * _sameness([content_words(text) for text in rewrites.values()]), "%",
            count, help="content words that two rewrites share, of those either has (mean)",
        ),
        ChanceMeasure(
            "repeated rewrites", float(count - len(set(rewrites.values()))), "rewrites", count,
            help="rewrites that equal another query's",
        ),
    ]  # fmt: skip


def _sameness(words: Sequence[frozenset[str]]) -> float:
    """Return the mean Jaccard similarity over pairs of different queries."""
    values = [
        len(one & other) / len(one | other)
        for at, one in enumerate(words)
        for other in words[at + 1 :]
        if one or other
    ]
    return float(np.mean(values)) if values else 0.0
