"""Requests answered in their own order, each once: from the journal, or by the model."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harness.core.errors import BudgetReached, ModelError
from harness.core.protocols import Reporter
from remixer.budget import Budget
from remixer.journal import Journal
from remixer.llm import CONTEXT_OVERFLOW, ChatModel, ChatReply, ChatRequest

WINDOW = 8192
"""Requests that may be begun beyond the first one still unanswered: what is held in memory."""

UNANSWERED_SHARE = 0.02
UNANSWERED_FLOOR = 3
"""More requests given up than this share, and than this number, stop a run."""

UNUSABLE_SHARE = 0.5
UNUSABLE_AFTER = 100
"""A larger share of questions with an unusable reply stops a stage: of the first replies once so
many have come in, and of all questions when every try is used up."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a reply is of no use; another seed may bring a better one."""

    reason: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How much may go wrong.

    `attempts` per question with an unusable reply; `unusable` and `unanswered` are the shares of
    questions that may stay without a usable reply, and of requests without any.
    """

    attempts: int = 3
    unusable: float = UNUSABLE_SHARE
    unanswered: float = UNANSWERED_SHARE


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What a stage got for each of its questions (`None`: nothing of use), and counts.

    `counts` holds `replies`, `retried`, `left_unusable` (questions), and for each reason how many
    replies were refused for it or questions had none (`unanswered`, `context_overflow`).
    """

    values: list[T | None]
    counts: dict[str, int]


@dataclass(slots=True)
class Asker:
    """Asks a model through a journal: what is answered there is never asked again."""

    model: ChatModel
    journal: Journal
    reporter: Reporter
    budget: Budget = field(default_factory=Budget)
    patience: Patience = field(default_factory=Patience)
    _asked: int = field(default=0, init=False)
    _given_up: int = field(default=0, init=False)

    def in_order(self, requests: Iterable[ChatRequest]) -> Iterator[ChatReply]:
        """Yield a reply for each request, in the order of the requests.

        A reply with an `error` stands for a request that was given up. Raises `BudgetReached`
        once nothing more may be spent and what was under way is kept, and `ModelError` when too
        many requests were given up.
        """
        source = iter(requests)
        waiting: deque[str] = deque()
        arrived: dict[str, ChatReply] = {}
        under_way: dict[str, ChatRequest] = {}
        state = _State()

        def feed() -> Iterator[tuple[str, ChatRequest]]:
            for request in source:
                key = request.key
                waiting.append(key)
                if not (key in self.journal or key in arrived or key in under_way):
                    state.stop = self.budget.reached(self.journal.totals)
                    if state.stop is not None:
                        return
                    under_way[key] = request
                    self._asked += 1
                    yield key, request
                if len(waiting) >= WINDOW:
                    return
            state.exhausted = True

        while not state.exhausted or waiting:
            with closing(self.model.replies(feed())) as replies:
                for reply in replies:
                    self._keep(under_way.pop(reply.key), reply)
                    arrived[reply.key] = reply
                    yield from self._ready(waiting, arrived)
            yield from self._ready(waiting, arrived)
            if state.stop is not None:
                raise state.stop

    def answers(
        self,
        label: str,
        count: int,
        build: Callable[[int, int], ChatRequest],
        read: Callable[[int, ChatReply], T | Refused],
    ) -> Answers[T]:
        """Ask `count` questions; ask those with an unusable reply again, by another seed.

        `build(number, attempt)` makes a request, `read(number, reply)` an answer or a `Refused`.
        Raises `ModelError` with counts when the share of questions without a usable reply passes
        `patience`, and whatever `in_order` raises.
        """
        values: list[T | None] = [None] * count
        counts: Counter[str] = Counter()
        open_numbers: list[int] | range = range(count)
        for attempt in range(self.patience.attempts):
            left: list[int] = []
            asked = (build(number, attempt) for number in open_numbers)
            counts["retried"] += len(open_numbers) if attempt else 0
            shown = label if attempt == 0 else f"{label} (try {attempt + 1})"
            with self.reporter.bar(shown, len(open_numbers), "replies") as advance:
                for number, reply in zip(open_numbers, self.in_order(asked), strict=True):
                    advance(1, tokens=reply.reply_tokens)
                    result = _without_reply(reply, counts) or read(number, reply)
                    if not isinstance(result, Refused):
                        values[number] = result
                    elif result is not _NO_REPLY:
                        counts[result.reason] += 1
                        left.append(number)
                    if attempt == 0 and counts["replies"] >= UNUSABLE_AFTER:
                        self._check_usable(label, len(left), counts)
            open_numbers = left
            if not left:
                break
        counts["left_unusable"] = len(open_numbers)
        self._check_usable(label, len(open_numbers), counts)
        return Answers(values, {key: number for key, number in counts.items() if number})

    def _ready(self, waiting: deque[str], arrived: dict[str, ChatReply]) -> Iterator[ChatReply]:
        """Yield the replies that are next in order."""
        while waiting:
            key = waiting[0]
            reply = arrived.get(key)
            if reply is None:
                if key not in self.journal:
                    return
                reply = self.journal.read(key)
            elif not reply.error:
                del arrived[key]  # a later request of the same key finds it in the journal
            waiting.popleft()
            yield reply

    def _keep(self, request: ChatRequest, reply: ChatReply) -> None:
        """Write a reply down, or count it as given up and stop when there are too many."""
        if not reply.error:
            self.journal.append(request, reply)
            return
        self._given_up += 1
        allowed = max(UNANSWERED_FLOOR, self.patience.unanswered * self._asked)
        if self._given_up > allowed:
            raise ModelError(
                f"{self._given_up:,} of {self._asked:,} requests to {self.model.name!r} were given "
                f"up; the last: {reply.error}",
                fix="Mend the server or its limits, then run the same command again: every reply "
                "so far is kept.",
            )

    def _check_usable(self, label: str, unusable: int, counts: Counter[str]) -> None:
        """Raise `ModelError` when too many of the questions answered so far are without use."""
        questions = counts["replies"] - counts["retried"]
        if unusable > self.patience.unusable * questions:
            reasons = {key: number for key, number in counts.items() if key not in _TOTALS}
            raise ModelError(
                f"{label}: for {unusable:,} of {questions:,} questions {self.model.name!r} gave no "
                f"usable reply; replies {counts['replies']:,}, of them "
                + ", ".join(f"{key} {number:,}" for key, number in sorted(reasons.items())),
                fix="Look at them in the run's journal.jsonl; use a better model, or allow more "
                "with --max-unusable. Nothing is lost: every reply is kept.",
            )


@dataclass(slots=True)
class _State:
    """Where feeding stands: whether the requests have run out, or the budget."""

    exhausted: bool = False
    stop: BudgetReached | None = None


_NO_REPLY = Refused("no reply")
_TOTALS = ("replies", "retried", "left_unusable")


def _without_reply(reply: ChatReply, counts: Counter[str]) -> Refused | None:
    """Count a reply; return `_NO_REPLY` for one that another seed cannot mend either."""
    if reply.error:
        counts["unanswered"] += 1
        return _NO_REPLY
    counts["replies"] += 1
    if reply.finish == CONTEXT_OVERFLOW:
        counts["context_overflow"] += 1
        return _NO_REPLY
    return None
