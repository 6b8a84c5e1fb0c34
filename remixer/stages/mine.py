"""Stage `mine`: candidates for each query from the whole corpus, without its source document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from harness.core.errors import BadInput, ModelError
from harness.core.protocols import Reporter, Retriever
from harness.core.types import Corpus, Json, Query, Ranking, Task
from remixer.config import MineOptions
from remixer.context import RemixRun, StagePlan, needed
from remixer.corpus import reserved_documents
from remixer.near_duplicates.index import NearDuplicates
from remixer.rows import MinedRow, QueryRow

_AT_ONCE = 512
"""Documents compared with all the benchmark's answers at a time, to bound memory."""

_SPARE = 28
"""Ranks searched beyond the depth, in place of hits that repeat a text or are the query itself."""


@dataclass(frozen=True, slots=True)
class Mined:
    """Rows in the order of the queries, counts, and the retriever's identity on this corpus."""

    rows: tuple[MinedRow, ...]
    counts: Mapping[str, int]
    identity: Mapping[str, Json]


def mine_candidates(
    task: Task,
    queries: Sequence[QueryRow],
    retriever: Retriever,
    options: MineOptions,
    reporter: Reporter,
) -> Mined:
    """Search the task's corpus for each query, as `eval` does, and keep the best candidates.

    The source is left out by id and by text, so a second copy of it is no candidate either; of
    documents with one text the first is kept, and a document that is the query itself is
    passed over. `task` brings its judgements for `without_gold`. Raises `BadInput` when the corpus
    lacks a source document, and `ModelError` when the retriever names a document that it lacks.
    """
    corpus = _corpus(task)
    text_of = corpus.text_of
    missing = [row.doc_id for row in queries if row.doc_id not in text_of]
    if missing:
        raise BadInput(
            f"{len(missing)} of {len(queries)} source documents are not in the corpus of "
            f"{task.name!r}, the first is {missing[0]!r}",
            fix="Mine in the corpus that the queries were written from.",
        )
    copies = _copies(corpus, {row.doc_id for row in queries})
    hidden = benchmark_answers(task, text_of) if options.without_gold else frozenset()
    own = {} if options.include_source else copies
    excluded = {row.doc_id: hidden | own.get(row.doc_id, frozenset()) for row in queries}
    searched = replace(
        task,
        query_set="remixer",
        queries=tuple(Query(row.doc_id, row.query) for row in queries),
        qrels={},
        excluded=excluded,
    )
    retrieved = retriever.search(searched, options.depth + _SPARE, reporter)
    counts: Counter[str] = Counter(queries=len(queries))
    rows = []
    for query in queries:
        ranking = retrieved.run.rankings[query.doc_id]
        rows.append(_row(query, ranking, text_of, options, retriever.name))
        counts["candidates"] += len(rows[-1].candidates)
        counts["short_lists"] += len(rows[-1].candidates) < options.depth
        counts["source_among_candidates"] += not copies[query.doc_id].isdisjoint(
            rows[-1].candidates
        )
    return Mined(tuple(rows), dict(counts), retriever.identity(task))


def benchmark_answers(task: Task, text_of: Mapping[str, str]) -> frozenset[str]:
    """Return the documents that the task's queries judge or exclude, and their near-duplicates."""
    reserved = sorted(key for key in reserved_documents(task) if key in text_of)
    answers = set(reserved)
    if not reserved:
        return frozenset()
    near = NearDuplicates(text_of, text_of)
    keys = list(text_of)
    for start in range(0, len(keys), _AT_ONCE):
        answers |= near.among(keys[start : start + _AT_ONCE], reserved)
    return frozenset(answers)


def _corpus(task: Task) -> Corpus:
    """Return the task's documents; raises `BadInput` when it has none."""
    if task.corpus is None or len(task.corpus) == 0:
        raise BadInput(
            f"task {task.name!r} has no documents to mine", fix="Give a task or folder that has."
        )
    return task.corpus


def _copies(corpus: Corpus, sources: set[str]) -> dict[str, frozenset[str]]:
    """Return source id -> the ids of all documents with its text, its own included."""
    by_text: dict[str, set[str]] = defaultdict(set)
    own: dict[str, str] = {}
    for key, text in zip(corpus.ids, corpus.texts, strict=True):
        if key in sources:
            own[key] = text.strip()
            by_text[own[key]].add(key)
    for key, text in zip(corpus.ids, corpus.texts, strict=True):
        if text.strip() in by_text:
            by_text[text.strip()].add(key)
    return {key: frozenset(by_text[text]) for key, text in own.items()}


def _row(
    query: QueryRow,
    ranking: Ranking,
    text_of: Mapping[str, str],
    options: MineOptions,
    retriever: str,
) -> MinedRow:
    """Return a query's candidates, each text once."""
    seen = {query.query.strip()}
    kept: list[tuple[str, float]] = []
    for key, score in zip(ranking.doc_ids, ranking.scores.tolist(), strict=True):
        if key not in text_of:
            raise ModelError(
                f"{retriever!r} ranked {key!r}, which the corpus does not hold",
                fix="Its index belongs to another corpus; make it again for this one.",
            )
        text = text_of[key].strip()
        if text not in seen and len(kept) < options.depth:
            seen.add(text)
            kept.append((key, score))
    return MinedRow(
        doc_id=query.doc_id,
        candidates=tuple(key for key, _ in kept),
        scores=tuple(score for _, score in kept),
        retriever=retriever,
    )


def plan(run: RemixRun) -> StagePlan:
    """Plan the mining of candidates."""
    flag = "--embedder NAME (a name that `rebench models` lists)"
    retriever = needed(run.tools.retriever, "a retriever", flag)
    options = run.config.mine

    def work() -> Mapping[str, int]:
        queries = run.folder.rows(run.queries_from, QueryRow)
        mined = mine_candidates(run.task, queries, retriever, options, run.tools.reporter)
        run.folder.write("mine", mined.rows)
        return mined.counts

    settings: dict[str, Json] = {
        "retriever": retriever.name,
        "identity": retriever.identity(run.task),
        **asdict(options),
    }
    return StagePlan(settings, (run.queries_from,), work)
