"""What the stages of one run share: task, folder, settings, models, and the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from harness.core.errors import BadInput
from harness.core.protocols import Reporter, Retriever
from harness.core.types import Corpus, Json, Task
from models.chat.dispatch import Budget, Dispatcher, FailureLimits
from models.chat.journal import Journal
from models.chat.protocol import ChatModel
from remixer.config import RemixConfig
from remixer.prompt_builder import PromptBuilder
from remixer.run_folder import RemixFolder
from remixer.stages.scorers import CandidateScorer
from remixer.task_profiles import TaskProfile

_T = TypeVar("_T")

LLM_FLAG = "--llm URL, vllm:MODEL or replay:FILE"


@dataclass(frozen=True, slots=True)
class RemixTools:
    """The models and limits of a run; a stage without its model says so.

    `chat` filters documents and writes queries, `reasoner` writes reasonings and `annotator` judges
    (`None`: `chat` does both), unless `scorer` gives cheap labels.
    """

    reporter: Reporter
    chat: ChatModel | None = None
    annotator: ChatModel | None = None
    reasoner: ChatModel | None = None
    retriever: Retriever | None = None
    scorer: CandidateScorer | None = None
    budget: Budget = field(default_factory=Budget)
    limits: FailureLimits = field(default_factory=FailureLimits)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: done if its file was made with `settings` from the files of `inputs`."""

    settings: Mapping[str, Json]
    inputs: tuple[str, ...]
    work: Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RemixRun:
    """One run of ReMixer on one task, in one folder."""

    task: Task
    profile: TaskProfile
    folder: RemixFolder
    config: RemixConfig
    tools: RemixTools
    journal: Journal

    @property
    def corpus(self) -> Corpus:
        """Return the documents; an empty corpus if the task has none."""
        return self.task.corpus or Corpus((), ())

    @property
    def text_of(self) -> Mapping[str, str]:
        """Return document id -> text."""
        return self.corpus.text_of

    @property
    def queries_from(self) -> str:
        """Return the stage whose file later stages read the queries from."""
        return "reason" if self.config.reason else "generate"

    def prompts(self) -> PromptBuilder:
        """Return the builder of this run's requests."""
        return PromptBuilder(
            profile=self.profile,
            model=_name(self.tools.chat),
            annotator=_name(self.model("annotate")),
            seed=self.config.select.seed,
            reasoner=_name(self.model("reason")),
            samplings=self.config.samplings.limited(self.config.max_reply_tokens),
            files=self.config.prompts,
        )

    def model(self, stage: str) -> ChatModel | None:
        """Return the model that a stage asks."""
        own = {"reason": self.tools.reasoner, "annotate": self.tools.annotator}.get(stage)
        return own or self.tools.chat

    def dispatcher(self, stage: str) -> Dispatcher:
        """Return a dispatcher of a stage's requests; raises `BadInput` without a model."""
        return Dispatcher(
            model=needed(
                self.model(stage), "a language model", "--llm URL, vllm:MODEL or replay:FILE"
            ),
            journal=self.journal,
            reporter=self.tools.reporter,
            budget=self.tools.budget,
            limits=self.tools.limits,
        )

    def llm_settings(self, stage: str) -> dict[str, Json]:
        """Return the recorded settings of a stage that asks a model."""
        prompts = self.prompts()
        own = prompts.sampling(stage)
        return {
            "model": prompts.model_of(stage),
            "prompt": prompts.versions()[stage],
            "sampling": {**asdict(own), "choices": list(own.choices)},
            "seed": self.config.select.seed,
            "attempts": self.tools.limits.attempts,
        }


def _name(model: ChatModel | None) -> str:
    return model.name if model is not None else ""


def needed(tool: _T | None, what: str, flag: str) -> _T:
    """Return a tool; raises `BadInput` if it is missing."""
    if tool is None:
        raise BadInput(f"this stage needs {what}", fix=f"Give one with {flag}.")
    return tool


def require_rows(rows: object, message: str, fix: str) -> None:
    """Raise `BadInput` if a stage has no rows to write."""
    if not rows:
        raise BadInput(message, fix=fix)
