"""Rewriting queries: a chat model asked through a journal, with documents or without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from harness.core.hashing import sha256_file
from harness.core.prompt_files import PromptFolder, fill, version
from harness.core.protocols import Reporter
from harness.core.types import Json, Query, Run, Task
from harness.data.query_sets import read_rewrites
from harness.pipelines.staged.outputs import Rewrites
from harness.pipelines.staged.spec import RewriteStage, stage_json
from models.chat.dispatch import Dispatcher, UnusableReply
from models.chat.journal import Journal, TokenTotals
from models.chat.protocol import ChatModel, ChatReply, ChatRequest, Sampling, user_request
from models.chat.thinking import control_token, without_thinking

_ATTEMPT = 1_000
"""Seeds of later attempts lie so far from those of the samples, which count from the first."""

_NO_DRAFT = "(none yet)"

Drafts = Mapping[str, tuple[str | None, ...]]
"""Query id -> a rewrite for each sample, `None` where no reply was of use."""


@dataclass(frozen=True, slots=True)
class RewritePrompts(PromptFolder):
    """The prompts of rewriting: one a method, and `feedback` for rounds that read documents."""

    home: ClassVar[tuple[str, str]] = ("harness.pipelines.staged", "prompts")


@dataclass(frozen=True, slots=True)
class Rewriter:
    """A rewrite stage with its model, and where replies are kept (a folder; each model its own)."""

    stage: RewriteStage
    model: ChatModel | None
    journals: Path

    @property
    def identity(self) -> dict[str, Json]:
        """Return all that changes a rewrite, but for the queries and the documents read."""
        said = stage_json(self.stage, without=("name", "inputs", "file", "reads", "keep"))
        if self.model is None:
            return {**said, "file": sha256_file(Path(self.stage.file))}
        return {**said, "llm_model": self.model.name, "prompt": version(self.prompt)}

    @property
    def prompt(self) -> str:
        """Return the text of the prompt."""
        folder = Path(self.stage.prompts) if self.stage.prompts else None
        return RewritePrompts(folder).text("feedback" if self.stage.reads else self.stage.method)

    def rewrites(
        self, task: Task, search: Callable[[Task], Run] | None, reporter: Reporter
    ) -> tuple[Rewrites, dict[str, Json]]:
        """Return the rewrites of a task's queries, and what asking took.

        `search` finds the documents that are read, for queries as they are given to it. A query
        without a usable reply has fewer rewrites, or none, which the facts count. Raises
        `BudgetReached` with every reply kept, `ModelError` for too many replies of no use.
        """
        if self.model is None:
            texts = read_rewrites(task, Path(self.stage.file))
            return {qid: (text,) for qid, text in texts.items()}, {}
        journal_path = self.journals / version(self.model.name) / "journal.jsonl"
        with Journal(journal_path) as journal:
            budget = self.stage.budget
            dispatcher = Dispatcher(self.model, journal, reporter, budget)
            asking = _Asking(self, dispatcher, task)
            drafts: Drafts = {}
            for at in range(self.stage.rounds):
                found = self._found(task, drafts, search)
                label = f"{self.stage.name}: rewriting"
                if self.stage.rounds > 1:
                    label += f" (round {at + 1} of {self.stage.rounds})"
                drafts = asking.round(label, drafts, found)
        current = {
            qid: tuple(text for text in texts if text is not None) for qid, texts in drafts.items()
        }
        without = sum(not texts for texts in current.values())
        facts: dict[str, Json] = {
            "calls": asking.totals.replies,
            "calls_kept": dispatcher.kept,
            "prompt_tokens": asking.totals.prompt_tokens,
            "reply_tokens": asking.totals.reply_tokens,
            "cost": budget.cost(asking.totals),
            "refused_replies": dict(asking.refused),
            "queries_without_rewrite": without,
        }
        return current, facts

    def _found(self, task: Task, drafts: Drafts, search: Callable[[Task], Run] | None) -> list[Run]:
        """Return what each sample reads: a run for its own draft, or nothing without `search`."""
        if search is None:
            return []
        keep = "replace" if self.stage.keep == "both" else self.stage.keep
        found = []
        for sample in range(self.stage.samples):
            own = {
                qid: (text,) for qid, texts in drafts.items() if (text := texts[sample]) is not None
            }
            found.append(search(task_versions(task, own, keep)[0]))
        return found


class _Asking:
    """Asks one question a query and sample, and adds up what it took."""

    def __init__(self, rewriter: Rewriter, dispatcher: Dispatcher, task: Task) -> None:
        self._stage = rewriter.stage
        self._prompt = rewriter.prompt
        self._dispatcher = dispatcher
        self._task = task
        self._texts = (
            dict(zip(task.corpus.ids, task.corpus.texts, strict=True)) if task.corpus else {}
        )
        self.totals = TokenTotals()
        self.refused: dict[str, int] = {}

    def round(self, label: str, before: Drafts, found: Sequence[Run]) -> Drafts:
        """Return the drafts of one round, given those before and what each sample reads."""
        samples = self._stage.samples
        queries = self._task.queries
        own = self._stage
        sampling = Sampling(own.temperature, own.top_p, own.max_tokens)

        def build(number: int, attempt: int) -> ChatRequest:
            query = queries[number // samples]
            sample = number % samples
            drafts = before.get(query.id)
            draft = drafts[sample] if drafts else None
            text = self._text(query, draft, found[sample] if found else None)
            seed = own.seed + sample + _ATTEMPT * attempt
            return user_request(self._dispatcher.model.name, text, sampling, seed)

        replies = self._dispatcher.stage_replies(
            label, len(queries) * samples, build, lambda _, reply: _read(reply)
        )
        self.totals = self.totals.together(replies.totals)
        for reason, count in replies.counts.items():
            if reason not in ("replies", "retried", "left_unusable"):
                self.refused[reason] = self.refused.get(reason, 0) + count
        values = replies.values
        return {
            query.id: tuple(values[at * samples : (at + 1) * samples])
            for at, query in enumerate(queries)
        }

    def _text(self, query: Query, draft: str | None, found: Run | None) -> str:
        values = {"query": query.text}
        if found is None:
            return fill(self._prompt, values, ("query",))
        ranking = found.rankings.get(query.id)
        shown = ranking.doc_ids[: self._stage.documents] if ranking else ()
        texts = (" ".join(self._texts[doc].split()[: self._stage.words]) for doc in shown)
        values["documents"] = "\n\n".join(f"[{at}] {text}" for at, text in enumerate(texts, 1))
        values["rewrite"] = draft or _NO_DRAFT
        return fill(self._prompt, values, ("query", "documents"))


def _read(reply: ChatReply) -> str | UnusableReply:
    """Return a reply's text; one that is empty, or that shows a control token, is of no use."""
    text = without_thinking(reply.text).strip()
    if not text:
        return UnusableReply("empty")
    if control_token(text):
        return UnusableReply("control_token")
    return text


def task_versions(task: Task, rewrites: Rewrites, keep: str) -> list[Task]:
    """Return the task with each version of its queries; the first has all of them.

    `keep` is that of a rewrite stage. A query without a rewrite is searched with as it is; one
    that has fewer versions than others is left out of the later tasks.
    """
    versions: Mapping[str, tuple[str, ...]] = {
        query.id: _versions(query.text, rewrites.get(query.id, ()), keep) for query in task.queries
    }
    most = max(map(len, versions.values()), default=1)
    return [_with_queries(task, versions, at) for at in range(most)]


def _versions(query: str, rewrites: Sequence[str], keep: str) -> tuple[str, ...]:
    if not rewrites:
        return (query,)
    if keep == "replace":
        return tuple(rewrites)
    if keep == "append":
        return tuple(f"{query}\n{text}" for text in rewrites)
    return (query, *rewrites)


def _with_queries(task: Task, versions: Mapping[str, tuple[str, ...]], at: int) -> Task:
    queries = tuple(
        Query(query.id, versions[query.id][at])
        for query in task.queries
        if at < len(versions[query.id])
    )
    return replace(task, queries=queries)
