"""One reranking's questions to a chat model: settings, usage, and what was wrong with replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.core.errors import BadInput, ModelError
from harness.core.types import Json
from harness.pipelines.chat_rerank.wording import Wording
from models.chat.dispatch import Budget, Dispatcher, FailureLimits, UnusableReply
from models.chat.journal import TokenTotals
from models.chat.protocol import ChatModel, ChatReply, ChatRequest, Sampling

T = TypeVar("T")

WINDOW = 20
"""Documents of a window, which moves up by half of them: RankGPT's (Sun et al. 2023), and those of
ReasonRank's runs on BRIGHT (8421BCD/ReasonRank 70f5b61)."""

SIDE_BY_SIDE_WORDS = 300
"""Words kept of each document where several are read together: ours, so that 20 of them take some
8,000 tokens."""

SEED = 42
_ATTEMPT = 1_000
"""Seeds of later attempts lie so far from those of the samples, which count from the first."""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How a chat model reranks.

    `samples` replies are drawn for each document, or orders for each query, and averaged. `window`
    and `step` count documents (`window` is the size of a group too; a step of 0 is half a window),
    `passes` how often the window slides from the end to the top. `words` of each document are read
    (0: all of them, or where several are read together `SIDE_BY_SIDE_WORDS`). Raises `BadInput`.
    """

    samples: int = 1
    window: int = WINDOW
    step: int = 0
    passes: int = 1
    words: int = 0
    seed: int = SEED

    def __post_init__(self) -> None:
        """Check the numbers."""
        for flag, value in (("samples", self.samples), ("passes", self.passes)):
            if value < 1:
                raise BadInput(f"--{flag} is {value}", fix="Give 1 or more.")
        if self.samples >= _ATTEMPT:
            raise BadInput(f"--samples is {self.samples}", fix=f"Give less than {_ATTEMPT:,}.")
        if self.window < 2 or not 0 <= self.step <= self.window:
            raise BadInput(
                f"--window is {self.window} and --step {self.step}",
                fix="A window holds 2 or more documents, and moves by 1 up to all of them.",
            )
        if self.words < 0:
            raise BadInput(f"--words is {self.words}", fix="Give 0 for all words, or more.")

    @property
    def stride(self) -> int:
        """Return by how many documents the window moves."""
        return self.step or self.window // 2


@dataclass(frozen=True, slots=True)
class ChatTools:
    """The model, where its replies are kept, and the limits of asking it."""

    model: ChatModel
    journal: Path
    budget: Budget = field(default_factory=Budget)
    limits: FailureLimits = field(default_factory=FailureLimits)


@dataclass(frozen=True, slots=True)
class Question:
    """One question: a query, the documents that the model sees, and which sample it is for."""

    query: str
    texts: Sequence[str]
    sample: int = 0


@dataclass(slots=True)
class Asking:
    """Asks the questions of one reranking, and adds up what they took.

    `wrong` counts what was wrong with replies by kind; `unanswered` the questions that had no
    reply of use even after every attempt.
    """

    dispatcher: Dispatcher
    wording: Wording
    sampling: Sampling
    settings: ChatSettings
    totals: TokenTotals = field(default_factory=TokenTotals)
    wrong: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0

    def ask(
        self,
        label: str,
        questions: Sequence[Question],
        read: Callable[[Question, ChatReply], T | UnusableReply],
    ) -> list[T | None]:
        """Return what replies say, `None` for a question without one; asks again by another seed.

        Raises `ModelError` if more questions than `limits.unusable` stay without a usable reply,
        and what the dispatcher raises.
        """

        def build(number: int, attempt: int) -> ChatRequest:
            question = questions[number]
            texts = [self._cut(text) for text in question.texts]
            return ChatRequest(
                self.dispatcher.model.name,
                self.wording.messages(question.query, texts),
                self.sampling,
                self.settings.seed + question.sample + _ATTEMPT * attempt,
            )

        found = self.dispatcher.stage_replies(
            label, len(questions), build, lambda number, reply: read(questions[number], reply)
        )
        self.totals = self.totals.together(found.totals)
        self.wrong.update({k: n for k, n in found.counts.items() if k not in _NOT_WRONG})
        without = sum(value is None for value in found.values)
        self.unanswered += without
        if without > self.dispatcher.limits.unusable * len(questions):
            raise ModelError(
                f"{label}: {without:,} of {len(questions):,} questions to "
                f"{self.dispatcher.model.name!r} stayed without a reply of use "
                f"({', '.join(f'{kind} {n:,}' for kind, n in sorted(self.wrong.items()))})",
                fix="Use a model with a longer window, cut documents with --words, or look at the "
                "replies in the journal; all of them are kept.",
            )
        return found.values

    def facts(self) -> dict[str, Json]:
        """Return what asking took, and what was wrong, as the entry keeps it."""
        return {
            "calls": self.totals.replies,
            "calls_kept": self.dispatcher.kept,
            "prompt_tokens": self.totals.prompt_tokens,
            "reply_tokens": self.totals.reply_tokens,
            "cost": self.dispatcher.budget.cost(self.totals),
            "malformed": dict(sorted(self.wrong.items())),
            "questions_without_reply": self.unanswered,
        }

    def _cut(self, text: str) -> str:
        """Return the words that are read of a document."""
        words = self.settings.words
        return " ".join(text.split()[:words]) if words else text


_NOT_WRONG = frozenset(("replies", "retried", "left_unusable"))


def sampling_json(sampling: Sampling) -> Mapping[str, Json]:
    """Return how replies are drawn, as an identity holds it."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(sampling).items()
    }
