"""What a whole run will take: calls, tokens, disk and cost, from a small sample of replies."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.types import Json, Task
from models.chat.dispatch import Budget, FailureLimits, UnusableReply
from models.chat.journal import Journal, TokenTotals, record_line
from models.chat.protocol import ChatReply, ChatRequest
from remixer.config import RemixConfig
from remixer.context import RemixRun, RemixTools
from remixer.corpus import reserved_documents
from remixer.run_folder import RemixFolder
from remixer.stages.reply_text import clean_reply
from remixer.stages.select import select_documents, source_row
from remixer.task_profiles import TaskProfile

SAMPLE = 20
"""Replies asked for, per stage and task."""

_TRIES = 1
_GB = 1e9


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage of one task: expected calls, their tokens in all, and bytes of the journal."""

    task: str
    stage: str
    calls: int
    prompt_tokens: int
    reply_tokens: int
    journal_bytes: int


@dataclass(frozen=True, slots=True)
class TaskEstimate:
    """One task: its documents, those that queries are written from, and its stages.

    `training_bytes` is the size of the gzipped training file.
    """

    task: str
    documents: int
    queries: int
    training_bytes: int
    stages: tuple[StageEstimate, ...]


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """All tasks of a run, and the prices that its cost is computed with."""

    tasks: tuple[TaskEstimate, ...]
    budget: Budget

    @property
    def stages(self) -> tuple[StageEstimate, ...]:
        """Return the stages summed over tasks, and their sum as `all`."""
        every = [stage for task in self.tasks for stage in task.stages]
        names = list(dict.fromkeys(stage.stage for stage in every))
        rows = [_sum(name, [each for each in every if each.stage == name]) for name in names]
        return (*rows, _sum("all", every))

    def cost(self, stage: StageEstimate) -> float:
        """Return what a stage costs by the budget's prices."""
        return self.budget.cost(TokenTotals(stage.calls, stage.prompt_tokens, stage.reply_tokens))


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task to estimate, its profile, and the folder that its run will have."""

    task: Task
    profile: TaskProfile
    folder: Path


def estimate_run(
    tasks: Iterable[PlannedTask], config: RemixConfig, tools: RemixTools
) -> RunEstimate:
    """Ask for `SAMPLE` replies per stage and task, and scale them to the whole run.

    The replies are kept in the run's journal; the run does not ask for them again, except those of
    `annotate`, whose pairs are drawn before there are candidates. Raises what asking raises.
    """
    patient = replace(tools, limits=FailureLimits(_TRIES, unusable=1.0, unanswered=1.0))
    return RunEstimate(tuple(_task(each, config, patient) for each in tasks), tools.budget)


def _task(planned: PlannedTask, config: RemixConfig, tools: RemixTools) -> TaskEstimate:
    """Sample one task's stages."""
    folder = RemixFolder(planned.folder)
    with Journal(folder.journal) as journal:
        run = RemixRun(planned.task, planned.profile, folder, config, tools, journal)
        corpus = run.corpus
        reserved = reserved_documents(run.task)
        if config.sources is not None:
            reserved |= set(corpus.ids) - config.sources
        every = select_documents(corpus, reserved, replace(config.select, limit=len(corpus)))
        if not every.rows:
            raise BadInput(
                f"no document of {run.task.name!r} can be used",
                fix="Give another corpus, or other limits with --min-chars and --max-chars.",
            )
        ids = [corpus.ids[row] for row in every.rows[:SAMPLE]]
        return _Sampler(run, ids).estimate(len(every.rows))


@dataclass(slots=True)
class _StageSample:
    """Replies to a stage's first requests, added up."""

    replies: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    lines: list[bytes] = field(default_factory=list)

    def add(self, request: ChatRequest, reply: ChatReply) -> None:
        """Add one reply."""
        self.replies += 1
        self.prompt_tokens += reply.prompt_tokens
        self.reply_tokens += reply.reply_tokens
        self.lines.append(record_line(request, reply))

    def scaled(self, task: str, stage: str, calls: int) -> StageEstimate:
        """Return the estimate of so many calls; raises `BadInput` without a reply."""
        if not self.replies and calls:
            raise BadInput(
                f"{task}: none of the {stage} requests was answered",
                fix="Look at the server; run `rebench remix run --plan` again.",
            )
        share = calls / max(self.replies, 1)
        packed = len(zlib.compress(b"".join(self.lines), 6))
        return StageEstimate(
            task,
            stage,
            calls,
            round(share * self.prompt_tokens),
            round(share * self.reply_tokens),
            round(share * packed),
        )


@dataclass(slots=True)
class _Sampler:
    """Asks the first requests of each stage of a run."""

    run: RemixRun
    ids: Sequence[str]

    def estimate(self, eligible: int) -> TaskEstimate:
        """Return the estimate of a task of which so many documents are eligible."""
        run, prompts, config = self.run, self.run.prompts(), self.run.config
        texts = [run.text_of[key] for key in self.ids]
        stages = []
        selected = min(config.select.limit, eligible)
        if config.domain_filter:
            values, sample = self._ask("domain_filter", lambda at: prompts.domain_filter(texts[at]))
            fitting = sum(value.rstrip(".") == "Yes" for value in values) / max(len(values), 1)
            calls = min(eligible, math.ceil(selected / fitting) if fitting else eligible)
            selected = min(selected, round(calls * fitting))
            stages.append(sample.scaled(run.task.name, "domain_filter", calls))
        seed = config.select.seed
        queries, sample = self._ask(
            "generate", lambda at: prompts.generate(source_row(self.ids[at], seed), texts[at])
        )
        stages.append(sample.scaled(run.task.name, "generate", selected))
        queries = queries or ["?"]
        if config.reason:
            _, sample = self._ask("reason", lambda at: prompts.reason(queries[at % len(queries)]))
            stages.append(sample.scaled(run.task.name, "reason", selected))
        if run.tools.scorer is None:
            # A query with the next query's document: for the length of the prompt, not its label.
            _, sample = self._ask(
                "annotate",
                lambda at: prompts.annotate(queries[at % len(queries)], texts[at - 1]),
            )
            pairs = selected * min(config.mine.depth, len(run.corpus) - 1)
            stages.append(sample.scaled(run.task.name, "annotate", pairs))
        passages = len(zlib.compress("\n".join(texts).encode(), 4)) / len(texts)
        training = round(selected * config.mine.depth * passages)
        return TaskEstimate(run.task.name, len(run.corpus), selected, training, tuple(stages))

    def _ask(
        self, stage: str, build: Callable[[int], ChatRequest]
    ) -> tuple[list[str], _StageSample]:
        """Return the replies' texts, and their sizes."""
        sample = _StageSample()

        def read(number: int, reply: ChatReply) -> str | UnusableReply:
            sample.add(build(number), reply)
            return clean_reply(reply.text) or UnusableReply("empty")

        answers = self.run.dispatcher(stage).stage_replies(
            f"sampling {stage}", len(self.ids), lambda number, attempt: build(number), read
        )
        return [text for text in answers.values if text is not None], sample


def _sum(name: str, stages: Sequence[StageEstimate]) -> StageEstimate:
    return StageEstimate(
        "all",
        name,
        sum(each.calls for each in stages),
        sum(each.prompt_tokens for each in stages),
        sum(each.reply_tokens for each in stages),
        sum(each.journal_bytes for each in stages),
    )


def plan_rows(estimate: RunEstimate) -> list[dict[str, str]]:
    """Return a row per stage, for a table."""
    priced = estimate.budget.price_prompt or estimate.budget.price_reply
    rows = []
    for stage in estimate.stages:
        row = {
            "stage": stage.stage,
            "calls": f"{stage.calls:,}",
            "prompt tokens": f"{stage.prompt_tokens:,}",
            "reply tokens": f"{stage.reply_tokens:,}",
            "journal": f"{stage.journal_bytes / _GB:,.3f} GB",
        }
        rows.append({**row, "cost": f"{estimate.cost(stage):,.2f}"} if priced else row)
    return rows


def plan_notes(estimate: RunEstimate) -> list[str]:
    """Return what an estimate says besides its table, a sentence each."""
    queries = sum(task.queries for task in estimate.tasks)
    documents = sum(task.documents for task in estimate.tasks)
    size = sum(task.training_bytes for task in estimate.tasks) / _GB
    notes = [
        f"{len(estimate.tasks)} tasks, {queries:,} queries; {documents:,} documents to search.",
        f"Training files: about {size:,.3f} GB gzipped, with a Parquet twin beside each.",
        f"From {SAMPLE} replies a stage and task at most; they are kept in the journals.",
    ]
    if not (estimate.budget.price_prompt or estimate.budget.price_reply):
        notes.append("For the cost give --price-prompt and --price-reply, per million tokens.")
    return notes


def plan_json(estimate: RunEstimate) -> dict[str, Json]:
    """Return an estimate as JSON; sizes are in bytes."""
    return {
        "tasks": [
            {
                "task": task.task,
                "documents": task.documents,
                "queries": task.queries,
                "training_bytes": task.training_bytes,
                "stages": [_stage_json(estimate, stage) for stage in task.stages],
            }
            for task in estimate.tasks
        ],
        "stages": [_stage_json(estimate, stage) for stage in estimate.stages],
    }


def _stage_json(estimate: RunEstimate, stage: StageEstimate) -> dict[str, Json]:
    return {
        "stage": stage.stage,
        "calls": stage.calls,
        "prompt_tokens": stage.prompt_tokens,
        "reply_tokens": stage.reply_tokens,
        "journal_bytes": stage.journal_bytes,
        "cost": estimate.cost(stage),
    }
