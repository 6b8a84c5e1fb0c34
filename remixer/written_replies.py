"""Requests listed before they are asked, and answers written by other means packed for replay."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput
from harness.core.files import read_jsonl, write_atomic
from harness.core.types import Corpus, Json, Task
from models.chat.journal import record_line
from models.chat.protocol import ChatReply, ChatRequest, request_json
from remixer.config import SelectConfig
from remixer.corpus import reserved_documents
from remixer.prompt_builder import PromptBuilder
from remixer.rows import MinedRow, QueryRow
from remixer.run_folder import RemixFolder
from remixer.stages.annotate import parse_score
from remixer.stages.reply_text import clean_reply, why_unusable
from remixer.stages.select import select_documents, source_row

_WRITTEN = {"query": ("generate", "queries"), "reasoning": ("reason", "reasonings")}
"""What is written for a document -> the stage that asks for it, and what it is counted as."""


@dataclass(frozen=True, slots=True)
class Written:
    """Answers for one source document; `judgements` maps a candidate to (score, justification)."""

    doc_id: str
    query: str = ""
    reasoning_query: str = ""
    judgements: Mapping[str, tuple[int, str]] | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """The journal of written answers, and why some answers would be refused (place -> reason)."""

    lines: tuple[bytes, ...]
    counts: Mapping[str, int]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Which requests to list: of `generate`, or of `reason` or `annotate` for a run's folder.

    `select` chooses the documents of the first, `depth` cuts the candidates of the last.
    """

    stage: str
    run: Path | None
    select: SelectConfig
    depth: int


def list_requests(
    task: Task, prompts: PromptBuilder, listing: Listing
) -> Iterator[dict[str, Json]]:
    """Yield what a stage asks: `{"stage", "doc_id", …, "key", "request"}` for each request.

    Rows of `generate` carry `length` and `education`, those of `annotate` `candidate` and `rank`.
    Raises `BadInput` for another stage, no folder, or a folder without the rows needed.
    """
    corpus = task.corpus or Corpus((), ())
    text_of = corpus.text_of
    if listing.stage == "generate":
        chosen = select_documents(corpus, reserved_documents(task), listing.select)
        for row in chosen.rows:
            source = source_row(corpus.ids[row], prompts.seed)
            more = {"length": source.length, "education": source.education}
            request = prompts.generate(source, text_of[source.doc_id])
            yield _listed("generate", source.doc_id, request, more)
        return
    if listing.stage not in ("reason", "annotate") or listing.run is None:
        raise BadInput(
            f"cannot list the requests of {listing.stage!r} for the run {str(listing.run)!r}",
            fix="Stages are generate, and reason or annotate with --run DIR.",
        )
    folder = RemixFolder(listing.run)
    queries = folder.rows("generate", QueryRow)
    if listing.stage == "reason":
        for query in queries:
            yield _listed("reason", query.doc_id, prompts.reason(query.query), {})
        return
    query_of = {query.doc_id: query.query for query in queries}
    for mined in folder.rows("mine", MinedRow):
        for rank, candidate in enumerate(mined.candidates[: listing.depth], start=1):
            request = prompts.annotate(query_of[mined.doc_id], text_of[candidate])
            place: dict[str, Json] = {"candidate": candidate, "rank": rank}
            yield _listed("annotate", mined.doc_id, request, place)


def read_written(paths: Iterable[Path]) -> dict[str, Written]:
    """Return doc_id -> answers, merged over files; raises `BadInput` with file and line.

    Rows: `{"doc_id", "query", "reasoning_query"}` and
    `{"doc_id", "candidate", "score", "justification"}`, in any order and any files; a row may
    also carry `"judgements": [{"candidate", "score", "justification"}, …]`.
    """
    texts: dict[str, dict[str, str]] = {}
    scores: dict[str, dict[str, tuple[int, str]]] = {}
    for path in paths:
        for number, row in read_jsonl(path):
            where = f"{path}, line {number}"
            doc_id = _text(row, "doc_id", where)
            for key in ("query", "reasoning_query"):
                if key in row:
                    own = texts.setdefault(doc_id, {})
                    if own.setdefault(key, _text(row, key, where)) != row[key]:
                        raise BadInput(f"{where}: a second {key} of {doc_id!r}", fix="Keep one.")
            judged = row.get("judgements", [row] if "candidate" in row else [])
            if not isinstance(judged, list) or not all(isinstance(each, dict) for each in judged):
                raise BadInput(f"{where}: judgements is {judged!r}", fix="Give a list of objects.")
            for item in judged:
                own_scores = scores.setdefault(doc_id, {})
                own_scores[_text(item, "candidate", where)] = _judgement(item, where)
    return {
        doc_id: Written(doc_id, judgements=scores.get(doc_id), **texts.get(doc_id, {}))
        for doc_id in {**texts, **scores}
    }


def pack_answers(
    prompts: PromptBuilder, text_of: Mapping[str, str], written: Mapping[str, Written]
) -> Packed:
    """Return the journal that answers the stages' requests with what was written.

    An answer that its stage would refuse, or one on a document that the corpus lacks, is named in
    `problems` and left out. Records name the documents and hold none of their texts.
    """
    packing = _Packing()
    for doc_id, own in written.items():
        if doc_id not in text_of:
            packing.problems.append(f"{doc_id}: the corpus has no such document")
            continue
        source = source_row(doc_id, prompts.seed)
        query = clean_reply(own.query)
        request = prompts.generate(source, text_of[doc_id])
        packing.add_text("query", doc_id, WrittenText(request, own.query, text_of[doc_id]))
        if own.reasoning_query:
            reasoning = WrittenText(prompts.reason(query), own.reasoning_query, query)
            packing.add_text("reasoning", doc_id, reasoning)
        for candidate, (score, why) in (own.judgements or {}).items():
            text = f"{why.strip()}\n\n<score>{score}</score>"
            if candidate not in text_of:
                packing.problems.append(f"{doc_id}: the corpus has no candidate {candidate!r}")
            elif parse_score(text) != score:
                packing.problems.append(f"{doc_id}, {candidate}: no score can be read in {text!r}")
            else:
                about = {"stage": "annotate", "doc_id": doc_id, "candidate": candidate}
                packing.add("judgements", about, prompts.annotate(query, text_of[candidate]), text)
    return Packed(tuple(packing.lines), dict(packing.counts), tuple(packing.problems))


def write_packed(path: Path, packed: Packed) -> None:
    """Write a packed journal whole, gzipped where the name ends in `.gz`."""
    data = b"".join(packed.lines)
    write_atomic(path, gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)


def _listed(
    stage: str, doc_id: str, request: ChatRequest, more: Mapping[str, Json]
) -> dict[str, Json]:
    """Return one request as a row of the listing."""
    return {
        "stage": stage,
        "doc_id": doc_id,
        **more,
        "key": request.key,
        "request": request_json(request),
    }


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A request, the answer written to it, and the text that the answer must not repeat."""

    request: ChatRequest
    text: str
    source: str


@dataclass(slots=True)
class _Packing:
    """The journal while it is made."""

    lines: list[bytes] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, what: str, about: Mapping[str, Json], request: ChatRequest, text: str) -> None:
        """Add the record of a request and its written answer."""
        self.lines.append(record_line(request, ChatReply(key=request.key, text=text), about))
        self.counts[what] += 1

    def add_text(self, what: str, doc_id: str, written: WrittenText) -> None:
        """Add a query or a reasoning, unless its stage would refuse it."""
        reason = why_unusable(clean_reply(written.text), written.source)
        if reason:
            self.problems.append(f"the {what} of {doc_id} would be refused: {reason}")
            return
        stage, counted = _WRITTEN[what]
        about = {"stage": stage, "doc_id": doc_id}
        self.add(counted, about, written.request, written.text)


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    """Return a non-empty text of a row; raises `BadInput`."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{where}: {key} is {value!r}", fix="It must be a text that is not empty.")
    return value


def _judgement(row: Mapping[str, Any], where: str) -> tuple[int, str]:
    """Return a row's (score, justification); raises `BadInput`."""
    score = row.get("score")
    if not isinstance(score, int) or isinstance(score, bool) or not 1 <= score <= 5:
        raise BadInput(f"{where}: score is {score!r}", fix="It must be a whole number, 1 to 5.")
    return score, _text(row, "justification", where)
