"""Run files, TREC lines or JSON: read, written, and held against a task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.files import open_text
from harness.core.types import Ranking, Run, Task
from harness.data.checks import any_bad_id
from harness.data.run_formats import (
    FLOAT32_MAX,
    Scored,
    ScoredByQuery,
    check_ids,
    is_json_run,
    not_finite,
    read_json_run,
    read_run_folder,
    repeated,
)

_LINE = re.compile(
    r"[ \t]*([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t].*?)[ \t]+([^ \t]+)[ \t]+([^ \t]+)[ \t]+"
    r"([^ \t]+)[ \t]*"
)
"""Six fields of which only the third, the document id, may hold spaces (BRIGHT's do)."""

_FIELDS = "query id, Q0, document id, rank, score, tag"

Named = Mapping[str, tuple[str, ...]]
"""query id -> document ids, best ranked first, for queries that have any."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run and a task agree.

    `missing` are judged queries for which the run ranks no document (they score 0), in the
    task's order; `unknown_queries` are ids that are no judged query of the task. `excluded` and
    `unknown_documents` name ranked documents that the query excludes, or that the task's corpus
    lacks; the latter is empty where the task came without its corpus.
    """

    queries: int
    missing: tuple[str, ...] = ()
    unknown_queries: tuple[str, ...] = ()
    excluded: Named = field(default_factory=dict)
    unknown_documents: Named = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is worth keeping with the scores, as sentences."""
        if not self.missing:
            return ()
        return (
            f"{len(self.missing):,} of {self.queries:,} judged queries are not in the run and "
            f"score 0, such as {self.missing[0]!r}",
        )


@dataclass(frozen=True, slots=True)
class RunFile:
    """A run, and sentences on what its file's form leaves open."""

    run: Run
    notes: tuple[str, ...] = ()


def read_run(path: Path) -> Run:
    """Read a run, as `read_run_file` does, without its notes."""
    return read_run_file(path).run


def read_run_file(path: Path) -> RunFile:
    """Read a run, plain or `.gz`, telling the format by its content.

    TREC lines hold six fields parted by single tabs, or by spaces and tabs; then the document id
    is whatever stands between the first two and the last three. JSON has the shapes that
    `harness.data.run_formats` lists; a folder holds one file per query. Ranks and tags of TREC
    lines are ignored: each query's documents are ranked anew by float32 score, equal ones by id
    descending, as trec_eval does.

    Raises `BadInput`, naming the line (or query), for a malformed line, an id that
    `harness.data.checks.bad_id` refuses, a score that is not finite in float32, a document that
    a query ranks twice, and a file without any ranking.
    """
    scored: ScoredByQuery
    notes: tuple[str, ...] = ()
    if path.is_dir():
        found = read_run_folder(path)
        scored, notes = found.scored, found.notes
    else:
        with open_text(path) as handle:
            text = handle.read().removeprefix("\ufeff")
        if is_json_run(text):
            found = read_json_run(path, text)
            scored, notes = found.scored, found.notes
        else:
            scored = _from_lines(path, text)
    if not scored:
        raise BadInput(f"{path} holds no ranking", fix=f"Give lines of {_FIELDS}.")
    rankings = {qid: _ranking(path, qid, scored[qid]) for qid in scored}
    return RunFile(Run(rankings), notes)


def write_run(run: Run, tag: str) -> str:
    """Return a run as tab-separated TREC lines; `read_run` gives back an equal run.

    Scores are printed with the digits that give back the same float32. A query without documents
    has no line. Raises `BadInput` for an id or tag that a line cannot hold.
    """
    if any_bad_id((tag,)) is not None or tag != tag.strip():
        raise BadInput(f"{tag!r} cannot be a run's tag", fix="Use letters, digits and dashes.")
    return "".join(
        line for qid, ranking in run.rankings.items() for line in _lines(qid, ranking, tag)
    )


def inspect_run(run: Run, task: Task) -> RunReport:
    """Compare a run with a task; raises nothing."""
    known = None if task.corpus is None else frozenset(task.corpus.ids)
    excluded: dict[str, tuple[str, ...]] = {}
    absent: dict[str, tuple[str, ...]] = {}
    for qid, ranking in run.rankings.items():
        left_out = task.excluded.get(qid, frozenset())
        if not left_out.isdisjoint(ranking.doc_ids):
            excluded[qid] = tuple(doc for doc in ranking.doc_ids if doc in left_out)
        if known is not None and not known.issuperset(ranking.doc_ids):
            absent[qid] = tuple(doc for doc in ranking.doc_ids if doc not in known)
    return RunReport(
        queries=len(task.qrels),
        missing=tuple(qid for qid in task.qrels if not _length(run, qid)),
        unknown_queries=tuple(qid for qid in run.rankings if qid not in task.qrels),
        excluded=excluded,
        unknown_documents=absent,
    )


def check_run(run: Run, task: Task) -> RunReport:
    """Return how a run and a task agree, once nothing stands against scoring it.

    Raises `BadInput` for queries the task lacks and for documents that the corpus lacks (where
    the task has its corpus) or that the query excludes: BRIGHT's own script asserts that no
    excluded id is in a run, since dropping one after a cut shortens the list. The message says
    how many there are and names the first.
    """
    report = inspect_run(run, task)
    if report.unknown_queries:
        raise BadInput(
            f"the run answers {len(report.unknown_queries):,} queries that {task.name} does not "
            f"have, such as {report.unknown_queries[0]!r}",
            fix="Check that the run belongs to this task and version, or drop those lines.",
        )
    if report.unknown_documents:
        raise BadInput(
            f"the run ranks {_described(report.unknown_documents)} that {task.name} does not have",
            fix="Check that the run belongs to this task and version, or drop those lines.",
        )
    if report.excluded:
        raise BadInput(
            f"the run ranks {_described(report.excluded)} that {task.name} excludes for the query",
            fix="Search again with the excluded documents masked before the cut at k.",
        )
    return report


def _lines(qid: str, ranking: Ranking, tag: str) -> Iterator[str]:
    """Yield the lines of one query."""
    check_ids((qid, *ranking.doc_ids), f"query {qid!r}")
    scores = _printed(ranking)
    for rank, (doc_id, score) in enumerate(zip(ranking.doc_ids, scores, strict=True), start=1):
        yield f"{qid}\tQ0\t{doc_id}\t{rank}\t{score}\t{tag}\n"


def _printed(ranking: Ranking) -> list[str]:
    """Return each score's shortest text, or all its digits where the shortest reads otherwise.

    The shortest text is made to be read as float32; we read by way of float64, where rounding
    twice could end one step away.
    """
    import numpy as np

    short: list[str] = ranking.scores.astype(str).tolist()
    back = np.array([float(text) for text in short], dtype=np.float32)
    for place in np.flatnonzero(back != ranking.scores).tolist():
        short[place] = repr(float(ranking.scores[place]))
    return short


def _from_lines(path: Path, text: str) -> ScoredByQuery:
    """Return the scored documents of a TREC run by query, in the file's order."""
    scored: ScoredByQuery = {}
    for number, line in enumerate(text.split("\n"), start=1):
        whole = line.removesuffix("\r")
        fields: Sequence[str] = whole.split("\t")
        if len(fields) != 6:
            if not whole.strip():
                continue
            fields = _spaced(path, number, whole)
        qid, _, doc_id, _, score, _ = fields
        try:
            value = float(score)
        except ValueError as error:
            raise BadInput(
                f"{path}, line {number}: score {score!r} is no number", fix="Mend that line."
            ) from error
        if not -FLOAT32_MAX < value < FLOAT32_MAX:
            not_finite(f"{path}, line {number}", score)
        if qid in scored:
            scored[qid].append((value, doc_id, number))
        else:
            check_ids((qid,), f"{path}, line {number}")
            scored[qid] = [(value, doc_id, number)]
    return scored


def _spaced(path: Path, number: int, line: str) -> Sequence[str]:
    """Return the six fields of a line that is not parted by five single tabs."""
    fields = line.split(" ")
    if len(fields) == 6 and all(fields) and "\t" not in line:
        return fields  # nearly every line, without the cost of the expression below
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadInput(
            f"{path}, line {number}: {len(line.split())} fields, expected {_FIELDS}: {line[:80]!r}",
            fix="Mend or drop that line.",
        )
    return match.groups()


def _ranking(path: Path, qid: str, scored: list[Scored]) -> Ranking:
    """Return one query's ranking: by float32 score, then id, both descending."""
    import numpy as np

    scores = np.array([score for score, _, _ in scored], dtype=np.float32)
    order = sorted(
        zip(scores.tolist(), (doc_id for _, doc_id, _ in scored), strict=True), reverse=True
    )
    doc_ids = tuple(doc_id for _, doc_id in order)
    if len(set(doc_ids)) != len(doc_ids):
        twice = repeated(doc_ids)
        places = [place for _, doc_id, place in scored if doc_id == twice]
        raise BadInput(
            f"{path}: query {qid!r} ranks {twice!r} twice (places {places[0]} and {places[1]})",
            fix="Keep one of the two.",
        )
    check_ids(doc_ids, f"{path}, query {qid!r}")
    return Ranking(doc_ids, np.array([score for score, _ in order], dtype=np.float32))


def _length(run: Run, qid: str) -> int:
    """Return how many documents a run ranks for a query, 0 if it lacks it."""
    ranking = run.rankings.get(qid)
    return 0 if ranking is None else len(ranking)


def _described(named: Named) -> str:
    """Return how many documents are named for how many queries, with an example."""
    qid, documents = next(iter(named.items()))
    total = sum(len(ids) for ids in named.values())
    return (
        f"{total:,} documents (for {len(named):,} queries; query {qid!r}, document "
        f"{documents[0]!r})"
    )
