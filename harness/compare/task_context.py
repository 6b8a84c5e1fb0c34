"""Query texts, gold, lengths and reasoning intensity of a task, from data on this machine only.

The reasoning intensity of a query is how little of its gold a lexical match explains: the rank
that BM25, by BRIGHT's recipe, gives the best of its gold documents. It is taken from a stored BM25
run if there is one, else searched if the documents are on this machine. Texts, lengths and BM25
use the original wording of the query, whatever wording the systems searched with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.core.errors import RebenchError
from harness.core.hashing import corpus_fingerprint, task_fingerprint
from harness.core.protocols import Reporter
from harness.core.types import Qrels, Run, Task
from harness.data.bright_tasks import ORIGINAL, TASKS
from harness.data.local_tasks import DataLocations, local_task
from harness.data.trec import read_run
from harness.search.bm25 import bm25
from results.judgements import load_judgements
from results.schema import Entry, TaskFacts
from results.store import ResultStore

DEEPEST = 1000
"""Ranks beyond this count as not retrieved, as does a gold document that shares no term."""


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What this machine holds on one task; `None` stands for what could not be read.

    `texts` maps query to text, `snippets` the documents asked for to their texts. `ranks` maps
    each judged query to BM25's rank of its best gold document, from 1 (`None`: not among the
    first 1,000, or no shared term). `notes` say what is missing and why.
    """

    gold: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, str] | None = None
    snippets: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, int | None] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskContextLoader:
    """The store and the folders that task contexts come from; `fold` cuts values to one."""

    store: ResultStore
    entries: Sequence[Entry]
    locations: DataLocations
    reporter: Reporter
    fold: int | None = None

    def load(
        self, facts: TaskFacts, documents: Sequence[str], queries: Sequence[str]
    ) -> TaskContext:
        """Return a task's context, with the texts of these documents and of the queries' gold.

        Loads the task only if that needs no download. Raises `StoreError` if the task's
        stored judgements cannot be read.
        """
        qrels = load_judgements(self.store.root, facts.fingerprint).qrels
        context = TaskContext(gold={qid: _gold(qrels, qid) for qid in qrels})
        task, note = self._local(facts)
        notes = [note] if note else []
        if task is not None:
            gold = (doc for qid in queries for doc in context.gold[qid])
            context = replace(
                context,
                texts={query.id: query.text for query in task.queries},
                snippets=_snippets(task, {*documents, *gold}),
            )
        run = self._stored_bm25(facts)
        if run is None and task is not None and task.corpus is not None:
            run = bm25().search(task, DEEPEST, self.reporter).run
        if run is None:
            notes.append(
                f"{facts.name}: no reasoning intensity, since neither a stored bm25 run nor the "
                f"documents are here"
            )
        else:
            context = replace(
                context, ranks={q: _rank(run, q, context.gold[q]) for q in context.gold}
            )
        return replace(context, notes=tuple(notes))

    def _local(self, facts: TaskFacts) -> tuple[Task | None, str]:
        """Return the task from this machine, in the entry's version, or say why not."""
        try:
            task = local_task(facts.name, self.locations, self.reporter)
        except RebenchError as error:
            return None, f"{facts.name}: not read here ({error.message})"
        if task is None:
            how = "BRIGHT's folder: --data" if facts.name in TASKS else "its folder: --tasks DIR"
            return None, f"{facts.name}: no texts, since the task's data are not given ({how})"
        if task_fingerprint(task) != facts.fingerprint:
            return None, f"{facts.name}: the local copy holds another version of the judgements"
        if (
            task.corpus is not None
            and facts.corpus_fingerprint is not None
            and corpus_fingerprint(task.corpus) != facts.corpus_fingerprint
        ):
            return replace(task, corpus=None), f"{facts.name}: the local documents are others"
        return task, ""

    def _stored_bm25(self, facts: TaskFacts) -> Run | None:
        """Return the stored run of BM25 by BRIGHT's recipe on the original queries, if any."""
        recipe = bm25().settings
        for entry in self.entries:
            identity, own = entry.identity, entry.task
            if (
                identity.get("retriever") == "bm25"
                and identity.get("query_weighting") == "bm25"
                and (identity.get("k1"), identity.get("b")) == (recipe.k1, recipe.b)
                and (own.fingerprint, own.query_set) == (facts.fingerprint, ORIGINAL)
                and entry.k >= DEEPEST
                and facts.corpus_fingerprint in (None, own.corpus_fingerprint)
            ):
                return stored_run(self.store, entry)
        return None


def stored_run(store: ResultStore, entry: Entry) -> Run:
    """Return an entry's run once its hash is checked; raises `StoreError`, `BadInput`."""
    store.run_text(entry)
    return read_run(store.run_path(entry))


def _gold(qrels: Qrels, qid: str) -> tuple[str, ...]:
    """Return a query's relevant documents, best grade first."""
    relevant = [(doc, grade) for doc, grade in qrels[qid].items() if grade >= 1]
    return tuple(doc for doc, _ in sorted(relevant, key=lambda each: (-each[1], each[0])))


def _rank(run: Run, qid: str, gold: Sequence[str]) -> int | None:
    """Return the best rank of a gold document that shares a term with the query."""
    ranking = run.rankings.get(qid)
    if ranking is None:
        return None
    wanted = set(gold)
    for rank, (doc, score) in enumerate(
        zip(ranking.doc_ids[:DEEPEST], ranking.scores, strict=False), start=1
    ):
        if doc in wanted:
            return rank if score > 0 else None
    return None


def _snippets(task: Task, documents: Iterable[str]) -> dict[str, str]:
    """Return the texts of some documents, where the task has them."""
    if task.corpus is None:
        return {}
    wanted = set(documents)
    pairs = zip(task.corpus.ids, task.corpus.texts, strict=True)
    return {doc: text for doc, text in pairs if doc in wanted}
