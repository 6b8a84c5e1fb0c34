"""Reranking a run: scores of its first documents, blended with the stage before, never more.

A reranker only orders its candidates: it adds, drops and repeats none, which is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import BadInput, ModelError, UnknownName
from harness.core.protocols import PairScorer, Reporter
from harness.core.types import Json, Ranking, Run, Task
from harness.metrics.headroom import run_depth
from harness.pipelines.fusion import in_protocol_order, ranked
from harness.pipelines.norms import Norm, Scores64, norm_named
from harness.pipelines.rerank_ports import (
    CandidateList,
    ListScorer,
    Scorer,
    TokenCounter,
)
from harness.pipelines.score_store import PairScore, ScoreStore, pair_key

if TYPE_CHECKING:
    from harness.core.types import FloatVector

TAILS = ("keep", "cut")
LONGS = ("cut", "passages")
PASSAGE_WORDS = 200
PASSAGE_STEP = 150
"""Words of a passage and from one to the next, where long documents are read in passages. Ours:
two hundred English words are some 270 tokens, which leaves half of a window of 512 to the query."""

PAIRS_AT_ONCE = 2_048
"""Pairs between two writes of the score store: what a kill can cost."""


@dataclass(frozen=True, slots=True)
class RerankSettings:
    """How a run is reranked.

    The first `depth` documents are scored. Their final score is blend · norm(reranker) +
    (1 - blend) · norm(stage before), both normalised over these documents; with a blend of 1 it is
    the reranker's score as it is. Documents below the depth follow in their old order (`tail`
    "keep") or go ("cut"). A `long` document is cut by the model, or scored in overlapping
    "passages" of which the best counts. Raises `BadInput` and `UnknownName`.
    """

    depth: int = 100
    blend: float = 1.0
    norm: str = "min-max"
    tail: str = "keep"
    long: str = "cut"

    def __post_init__(self) -> None:
        """Check every value."""
        if self.depth < 1:
            raise BadInput(f"--depth is {self.depth}", fix="Rerank at least 1 document.")
        if not 0 <= self.blend <= 1:
            raise BadInput(f"--blend is {self.blend}", fix="Give a number from 0 to 1.")
        if norm_named(self.norm).fills:
            raise BadInput(
                f"the norm {self.norm} needs several lists, and a reranker makes one",
                fix="Take min-max, rank, zmuv or neg-log-rank.",
            )
        for what, value, known in (("tail", self.tail, TAILS), ("long", self.long, LONGS)):
            if value not in known:
                raise UnknownName(f"--{what}", value, known, listing=f"It is {' or '.join(known)}.")

    @property
    def json(self) -> dict[str, Json]:
        """The settings as an entry's identity holds them; a norm without effect is left out."""
        said: dict[str, Json] = {"depth": self.depth, "blend": self.blend, "tail": self.tail}
        if self.blend < 1:
            said["norm"] = self.norm
        said["long"] = self.long
        if self.long == "passages":
            said |= {"passage_words": PASSAGE_WORDS, "passage_step": PASSAGE_STEP}
        return said


@dataclass(frozen=True, slots=True)
class Reranked:
    """A reranked run, and what it took.

    `scored` texts went through the model, `reused` ones had a stored score. `facts` is what else
    the scorer tells, such as calls, tokens and the agreement of its repeats.
    """

    run: Run
    scored: int
    reused: int
    facts: Mapping[str, Json] = field(default_factory=dict)


def rerank_run(
    run: Run,
    task: Task,
    scorer: Scorer,
    settings: RerankSettings,
    store: ScoreStore | None,
    reporter: Reporter,
) -> Reranked:
    """Rerank a run with the texts of a task, and tell what it took.

    Pairs that are in `store` are not scored again; scorers of lists keep what they need themselves.
    Raises `BadInput` for a depth that no list reaches, for candidates or queries without texts and
    for passages where documents are read side by side, `ModelError` for scores that are not finite.
    """
    deepest = run_depth(run)
    if settings.depth > deepest:
        raise BadInput(
            f"--depth is {settings.depth}, and the run holds at most {deepest} documents a query",
            fix=f"Rerank at most {deepest}, or search deeper.",
        )
    asked = _candidates(run, task, settings)
    if isinstance(scorer, ListScorer):
        found, facts = _list_scores(asked, scorer, settings, reporter)
        scored, reused = sum(len(each.texts) for each in asked.values()), 0
    else:
        pairs = _pair_scores(asked, scorer, store, reporter)
        found, scored, reused, facts = pairs.values, pairs.scored, pairs.reused, pairs.facts
    rankings = {
        qid: reranked(run.rankings[qid], asked[qid].best(found[qid]), settings) for qid in asked
    }
    return Reranked(Run(rankings), scored, reused, facts)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query's candidates as they are scored: `places[i]` is the document of `texts[i]`."""

    query: str
    texts: tuple[str, ...]
    places: tuple[int, ...]
    documents: int

    def best(self, scores: FloatVector) -> FloatVector:
        """Return the best score of each document's texts: float32 `[documents]`."""
        found = np.full(self.documents, -np.inf, dtype=np.float32)
        np.maximum.at(found, np.asarray(self.places, dtype=np.int64), scores)
        return found


def _candidates(run: Run, task: Task, settings: RerankSettings) -> dict[str, _Asked]:
    """Return what of each query's first documents is scored."""
    queries = _query_texts(run, task)
    heads = {
        qid: in_protocol_order(ranking).doc_ids[: settings.depth]
        for qid, ranking in run.rankings.items()
    }
    texts = _document_texts(heads, task)
    pieces = {
        doc: _pieces(texts[doc], settings.long)
        for doc in dict.fromkeys(doc for docs in heads.values() for doc in docs)
    }
    return {
        qid: _Asked(
            queries[qid],
            tuple(piece for doc in docs for piece in pieces[doc]),
            tuple(at for at, doc in enumerate(docs) for _ in pieces[doc]),
            len(docs),
        )
        for qid, docs in heads.items()
    }


def _list_scores(
    asked: Mapping[str, _Asked], scorer: ListScorer, settings: RerankSettings, reporter: Reporter
) -> tuple[dict[str, FloatVector], Mapping[str, Json]]:
    """Return the scores of each query's texts, and the scorer's facts."""
    if settings.long == "passages" and scorer.side_by_side:
        raise BadInput(
            f"{scorer.name} reads documents side by side, so passages have no score of their own",
            fix="Take --long cut, or a reranker that scores one document at a time.",
        )
    lists = [CandidateList(each.query, each.texts) for each in asked.values()]
    result = scorer.score_lists(lists, reporter)
    for one, scores in zip(lists, result.scores, strict=True):
        check_scores(scores, len(one.texts), scorer.name)
    return dict(zip(asked, result.scores, strict=True)), result.facts


@dataclass(frozen=True, slots=True)
class _PairScores:
    """The scores of each query's texts; how many pairs were scored, and how many stored."""

    values: dict[str, FloatVector]
    scored: int
    reused: int
    tokens: int | None

    @property
    def facts(self) -> dict[str, Json]:
        """What the entry keeps: the tokens of all pairs, if every one was counted."""
        return {} if self.tokens is None else {"pair_tokens": self.tokens}


def _pair_scores(
    asked: Mapping[str, _Asked], scorer: PairScorer, store: ScoreStore | None, reporter: Reporter
) -> _PairScores:
    """Score each query's texts, each pair of texts once."""
    pairs = dict.fromkeys((each.query, text) for each in asked.values() for text in each.texts)
    known, scored = _scores(list(pairs), scorer, store, reporter)
    values = {
        qid: np.array([known[each.query, text].score for text in each.texts], dtype=np.float32)
        for qid, each in asked.items()
    }
    counts = [each.tokens for each in known.values() if each.tokens is not None]
    tokens = sum(counts) if len(counts) == len(known) else None
    return _PairScores(values, scored, len(pairs) - scored, tokens)


def reranked(before: Ranking, scores: FloatVector, settings: RerankSettings) -> Ranking:
    """Return one query's ranking: its first documents by new scores, float32 `[depth]` or fewer."""
    ordered = in_protocol_order(before)
    head, tail = ordered.doc_ids[: len(scores)], ordered.doc_ids[len(scores) :]
    if not head:
        return ordered
    final = scores.astype(np.float64)
    if settings.blend < 1:
        norm = norm_named(settings.norm)
        old = norm.apply(ordered.scores[: len(head)].astype(np.float64))
        final = settings.blend * _normalised(final, norm) + (1 - settings.blend) * old
    new = ranked(head, final, len(head))
    if settings.tail == "keep" and tail:
        low = float(new.scores[-1])
        # A step that float32 can tell at this size keeps the old order below the new one.
        step = max(1.0, float(np.spacing(np.float32(abs(low) + len(tail)))) * 2)
        rest = (low - step * np.arange(1, len(tail) + 1)).astype(np.float32)
        new = Ranking((*new.doc_ids, *tail), np.concatenate([new.scores, rest]))
    kept = {*head, *(tail if settings.tail == "keep" else ())}
    if len(new) != len(kept) or set(new.doc_ids) != kept:
        raise AssertionError("reranking changed the candidates")
    return new


def _normalised(scores: Scores64, norm: Norm) -> Scores64:
    """Return scores normalised as a list in its own order, back in the order they came in."""
    order = np.argsort(-scores, kind="stable")
    found = np.empty_like(scores)
    found[order] = norm.apply(scores[order])
    return found


def _scores(
    pairs: Sequence[tuple[str, str]],
    scorer: PairScorer,
    store: ScoreStore | None,
    reporter: Reporter,
) -> tuple[dict[tuple[str, str], PairScore], int]:
    """Return the score of each pair and how many had to be computed."""
    keys = [pair_key(*pair) for pair in pairs]
    stored = store.find(keys) if store is not None else [None] * len(keys)
    for path in store.damaged if store is not None else ():
        reporter.warn(f"{path} is damaged: its scores are left out and computed again")
    found = {pair: score for pair, score in zip(pairs, stored, strict=True) if score is not None}
    waiting = [at for at, score in enumerate(stored) if score is None]
    if not waiting:
        return found, 0
    with reporter.bar(f"{scorer.name}: reranking", len(waiting), "pairs") as advance:
        for first in range(0, len(waiting), PAIRS_AT_ONCE):
            places = waiting[first : first + PAIRS_AT_ONCE]
            asked = [pairs[at] for at in places]
            scores = scorer.scores(asked)
            check_scores(scores, len(asked), scorer.name)
            tokens = scorer.token_counts(asked) if isinstance(scorer, TokenCounter) else None
            if store is not None:
                store.add([keys[at] for at in places], scores.tolist(), tokens)
            counts = [None] * len(asked) if tokens is None else tokens.tolist()
            found.update(zip(asked, map(PairScore, scores.tolist(), counts), strict=True))
            advance(len(asked))
    return found, len(waiting)


def check_scores(scores: FloatVector, count: int, name: str) -> None:
    """Raise `ModelError` unless there are `count` scores, all of them finite."""
    if scores.shape != (count,) or not np.isfinite(scores).all():
        raise ModelError(
            f"{name} gave scores of shape {scores.shape} for {count} texts, or scores that are "
            "not finite",
            fix="Check the model and its dtype; nothing of this batch was kept.",
        )


def _query_texts(run: Run, task: Task) -> dict[str, str]:
    """Return the text of each query that the run answers."""
    known = {query.id: query.text for query in task.queries}
    missing = [qid for qid in run.rankings if not known.get(qid, "").strip()]
    if missing:
        raise BadInput(
            f"{len(missing)} queries of the run have no text, such as {missing[0]!r}",
            fix="Check that the run belongs to this task and version.",
        )
    return known


def _document_texts(heads: Mapping[str, Sequence[str]], task: Task) -> Mapping[str, str]:
    """Return the texts of the candidates."""
    corpus = task.corpus
    if corpus is None:
        raise BadInput(
            f"{task.name} came without its documents", fix="A reranker reads them: give --data DIR."
        )
    texts = dict(zip(corpus.ids, corpus.texts, strict=True))
    missing = {doc for docs in heads.values() for doc in docs if doc not in texts}
    if missing:
        raise BadInput(
            f"{len(missing)} candidates are no documents of {task.name}, such as {min(missing)!r}",
            fix="Check that the run belongs to this task and version.",
        )
    return texts


def _pieces(text: str, long: str) -> tuple[str, ...]:
    """Return what of a document is scored: all of it, or its overlapping passages."""
    words = text.split() if long == "passages" else []
    if len(words) <= PASSAGE_WORDS:
        return (text,)
    starts = range(0, len(words) - PASSAGE_WORDS + PASSAGE_STEP, PASSAGE_STEP)
    return tuple(" ".join(words[at : at + PASSAGE_WORDS]) for at in starts)
