"""Each stage as a plan: the settings that change its output, what it reads, and its work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from harness.core.errors import BadInput
from harness.core.files import write_text
from harness.core.hashing import sha256_parts
from harness.core.protocols import Reporter, Retriever
from harness.core.training_row import TrainingRow
from harness.core.types import Corpus, Json, Task
from models.chat.dispatch import Budget, Dispatcher, FailureLimits
from models.chat.journal import Journal
from models.chat.protocol import ChatModel, Sampling
from remixer.annotate import annotate_candidates, label_counts
from remixer.card import CardFacts, RowStatistics, render_card
from remixer.clean import fitting_rows
from remixer.conditions import SelectConfig, select_documents, source_row
from remixer.corpus import reserved_documents
from remixer.export import write_parquet, write_training
from remixer.folder import RunFolder, StageRecord
from remixer.format import (
    POSITIVE_FROM,
    FormatOptions,
    format_counts,
    judged_queries,
    training_rows,
)
from remixer.generate import generate_queries
from remixer.kinds import Kind, group_size
from remixer.mine import MineOptions, mine_candidates
from remixer.reason import reason_queries
from remixer.requests import ANNOTATE, CLEAN, GENERATE, REASON, Asking
from remixer.rows import LabelRow, MinedRow, QueryRow, SourceRow, rows_by_id
from remixer.scorers import Scorer, score_candidates

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RemixConfig:
    """What a run makes; every field changes its output.

    `clean` asks whether documents fit the domain; `reason` adds reasoning queries, which Redapter
    needs; `sources`, where given, names the only documents to write queries from, while candidates
    come from all; `mine.include_source` makes the trivial set of the ablation: the source may be
    mined, and is the only positive; `max_reply_tokens` lowers every stage's limit (0: does not);
    labels from `positive_from` up are positive, and with `drop_near` a negative that is near-equal
    to a positive of its row is left out.
    """

    select: SelectConfig = field(default_factory=SelectConfig)
    clean: bool = True
    reason: bool = True
    mine: MineOptions = field(default_factory=MineOptions)
    sources: frozenset[str] | None = None
    max_reply_tokens: int = 0
    positive_from: int = POSITIVE_FROM
    drop_near: bool = True


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with; a stage whose tool is missing says so.

    `chat` writes; `annotator` judges (`None`: `chat` does), or `scorer` does so cheaply where it
    is given.
    """

    reporter: Reporter
    chat: ChatModel | None = None
    annotator: ChatModel | None = None
    retriever: Retriever | None = None
    scorer: Scorer | None = None
    budget: Budget = field(default_factory=Budget)
    limits: FailureLimits = field(default_factory=FailureLimits)


@dataclass(frozen=True, slots=True)
class Plan:
    """One stage: done when its file was made with `settings` from the files of `inputs`."""

    settings: Mapping[str, Json]
    inputs: tuple[str, ...]
    work: Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Job:
    """All that the stages of one run share."""

    task: Task
    kind: Kind
    folder: RunFolder
    config: RemixConfig
    tools: Tools
    journal: Journal

    @property
    def corpus(self) -> Corpus:
        """Return the documents (none: an empty corpus)."""
        return self.task.corpus or Corpus((), ())

    @property
    def text_of(self) -> Mapping[str, str]:
        """Return document id -> text."""
        return self.corpus.text_of

    @property
    def queries_from(self) -> str:
        """Return the stage whose file holds the queries as later stages need them."""
        return "reason" if self.config.reason else "generate"

    def asking(self) -> Asking:
        """Return how this run words its requests."""
        chat, annotator = self.tools.chat, self.tools.annotator or self.tools.chat
        return Asking(
            kind=self.kind,
            model=chat.name if chat is not None else "",
            annotator=annotator.name if annotator is not None else "",
            seed=self.config.select.seed,
            max_reply_tokens=self.config.max_reply_tokens,
        )

    def dispatcher(self, model: ChatModel | None) -> Dispatcher:
        """Return what asks a model; raises `BadInput` without one."""
        return Dispatcher(
            model=needed(model, "a language model", "--llm URL, vllm:MODEL or replay:FILE"),
            journal=self.journal,
            reporter=self.tools.reporter,
            budget=self.tools.budget,
            limits=self.tools.limits,
        )

    def llm_settings(self, stage: str, model: str, sampling: Sampling) -> dict[str, Json]:
        """Return the settings of a stage that asks a model."""
        asking = self.asking()
        own = asking.sampling(sampling)
        return {
            "model": model,
            "prompt": asking.versions()[stage],
            "sampling": {**asdict(own), "choices": list(own.choices)},
            "seed": self.config.select.seed,
            "attempts": self.tools.limits.attempts,
        }


def needed(tool: _T | None, what: str, flag: str) -> _T:
    """Return a tool; raises `BadInput` when it is missing."""
    if tool is None:
        raise BadInput(f"this stage needs {what}", fix=f"Give one with {flag}.")
    return tool


def select(job: Job) -> Plan:
    """Plan the choice of documents and the draw of their conditions."""
    config = job.config
    settings: dict[str, Json] = {"kind": job.kind.name, **asdict(config.select)}
    if config.sources is not None:
        settings["sources"] = sha256_parts(sorted(config.sources))
    if config.clean:
        asking = job.asking()
        settings["clean"] = {
            "domain": job.kind.domain, **job.llm_settings("clean", asking.model, CLEAN)
        }  # fmt: skip

    def work() -> Mapping[str, int]:
        corpus = job.corpus
        wanted = replace(config.select, limit=len(corpus)) if config.clean else config.select
        reserved = reserved_documents(job.task)
        if config.sources is not None:
            reserved |= set(corpus.ids) - config.sources
        chosen = select_documents(corpus, reserved, wanted)
        counts = {
            "documents": len(corpus),
            "reserved": chosen.reserved,
            "too_short": chosen.too_short,
            "too_long": chosen.too_long,
            "over_limit": chosen.over_limit,
        }
        if not chosen.rows:
            raise BadInput(
                f"no document of {job.task.name!r} can be used: of {len(corpus):,}, "
                f"{chosen.reserved:,} are reserved, {chosen.too_short:,} shorter than "
                f"{config.select.min_characters:,} characters, {chosen.too_long:,} longer than "
                f"{config.select.max_characters:,}",
                fix="Give another corpus, or other limits with --min-chars and --max-chars.",
            )
        rows = chosen.rows
        if config.clean:
            dispatcher = job.dispatcher(job.tools.chat)
            limit = config.select.limit
            rows, more = fitting_rows(dispatcher, job.asking(), rows, corpus.texts, limit)
            counts.update(more, over_limit=len(chosen.rows) - more["asked"])
        _some(rows, "no document fits the domain", "Name the domain with --domain.")
        sources = [source_row(corpus.ids[row], config.select.seed) for row in rows]
        job.folder.write("select", sources)
        return {**counts, "selected": len(sources)}

    return Plan(settings, (), work)


def generate(job: Job) -> Plan:
    """Plan the writing of queries."""

    def work() -> Mapping[str, int]:
        sources = job.folder.rows("select", SourceRow)
        dispatcher = job.dispatcher(job.tools.chat)
        rows, counts = generate_queries(dispatcher, job.asking(), sources, job.text_of)
        _some(rows, "no usable query was written", "Look at the replies in the run's journal.")
        job.folder.write("generate", rows)
        return counts

    settings = job.llm_settings("generate", job.asking().model, GENERATE)
    return Plan(settings, ("select",), work)


def reason(job: Job) -> Plan:
    """Plan the writing of reasoning queries."""

    def work() -> Mapping[str, int]:
        queries = job.folder.rows("generate", QueryRow)
        rows, counts = reason_queries(job.dispatcher(job.tools.chat), job.asking(), queries)
        _some(rows, "no usable reasoning was written", "Look at the replies in the run's journal.")
        job.folder.write("reason", rows)
        return counts

    return Plan(job.llm_settings("reason", job.asking().model, REASON), ("generate",), work)


def mine(job: Job) -> Plan:
    """Plan the mining of candidates."""
    flag = "--embedder NAME (a name that `rebench models` lists)"
    retriever = needed(job.tools.retriever, "a retriever", flag)

    def work() -> Mapping[str, int]:
        queries = job.folder.rows(job.queries_from, QueryRow)
        mined = mine_candidates(job.task, queries, retriever, job.config.mine, job.tools.reporter)
        job.folder.write("mine", mined.rows)
        return mined.counts

    settings: dict[str, Json] = {
        "retriever": retriever.name,
        "identity": retriever.identity(job.task),
        **asdict(job.config.mine),
    }
    return Plan(settings, (job.queries_from,), work)


def annotate(job: Job) -> Plan:
    """Plan the judging of candidates, by a model or a cheap scorer."""
    scorer = job.tools.scorer
    inputs = (job.queries_from, "mine")

    def score() -> Mapping[str, int]:
        queries = rows_by_id(job.folder.rows(job.queries_from, QueryRow))
        mined = job.folder.rows("mine", MinedRow)
        own = needed(scorer, "a scorer", "--annotator")
        rows = score_candidates(own, job.task, queries, mined, job.tools.reporter)
        job.folder.write("annotate", rows)
        return {"pairs": sum(len(row.labels) for row in rows), **label_counts(rows)}

    def ask() -> Mapping[str, int]:
        queries = rows_by_id(job.folder.rows(job.queries_from, QueryRow))
        mined = job.folder.rows("mine", MinedRow)
        dispatcher = job.dispatcher(job.tools.annotator or job.tools.chat)
        rows, counts = annotate_candidates(dispatcher, job.asking(), queries, mined, job.text_of)
        job.folder.write("annotate", rows)
        return counts

    if scorer is not None:
        return Plan({"scorer": scorer.name}, inputs, score)
    return Plan(job.llm_settings("annotate", job.asking().annotator, ANNOTATE), inputs, ask)


def formatted(job: Job) -> Plan:
    """Plan the training file, its Parquet twin and the data card."""
    config = job.config
    options = FormatOptions(
        job.kind.name, config.mine.include_source, config.positive_from, config.drop_near
    )
    size, batch = group_size(job.kind.name)
    inputs = (job.queries_from, "annotate")
    settings: dict[str, Json] = {**asdict(options), "train_group_size": size, "batch_size": batch}

    def work() -> Mapping[str, int]:
        queries = job.folder.rows(job.queries_from, QueryRow)
        labels = rows_by_id(job.folder.rows("annotate", LabelRow))
        text_of = job.text_of

        judged = judged_queries(queries, labels, text_of, options)

        def rows() -> Iterator[TrainingRow]:
            named = (job.task.name, job.task.prompt_fields)
            return training_rows(judged, text_of, named, job.kind.name)

        statistics = RowStatistics()
        written = write_training(job.folder.file("format"), statistics.watch(rows()))
        if not written:
            raise BadInput(
                f"none of {len(queries):,} queries has both a positive and a negative",
                fix="Look at the labels in 5-annotate.jsonl; mine deeper with --depth, or use "
                "another annotator.",
            )
        write_parquet(job.folder.path / "training.parquet", rows())
        counts = {**format_counts(judged), "rows": written}
        own = StageRecord(settings, {}, "", counts)
        facts = CardFacts(
            run=_run_facts(job),
            stages={**job.folder.records(), "format": own},
            totals=job.journal.totals,
            budget=job.tools.budget,
        )
        write_text(job.folder.path / "card.md", render_card(statistics, facts))
        return counts

    return Plan(settings, inputs, work)


def _run_facts(job: Job) -> dict[str, str]:
    """Return what a card says of the run as a whole."""
    queries = job.folder.rows(job.queries_from, QueryRow)
    labels = job.folder.rows("annotate", LabelRow)
    mined = job.folder.rows("mine", MinedRow)
    facts = {
        "task": job.task.name,
        "revision": job.task.revision,
        "kind": job.kind.name,
        "domain": job.kind.domain,
        "documents": f"{len(job.corpus):,}",
        "queries by": ", ".join(sorted({row.model for row in queries})),
        "reasoning by": ", ".join(sorted({row.reasoning_model for row in queries})),
        "candidates by": ", ".join(sorted({row.retriever for row in mined})),
        "labels by": ", ".join(sorted({row.annotator for row in labels})),
        "seed": str(job.config.select.seed),
    }
    return {key: value for key, value in facts.items() if value}


def _some(rows: object, message: str, fix: str) -> None:
    """Raise `BadInput` when a stage came to nothing."""
    if not rows:
        raise BadInput(message, fix=fix)
