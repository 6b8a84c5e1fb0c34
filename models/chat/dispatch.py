"""Send requests to a chat model in order, replay replies already in the journal, keep a budget."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harness.core.errors import BadInput, BudgetReached, ModelError
from harness.core.protocols import Reporter
from models.chat.defaults import ATTEMPTS, UNANSWERED_SHARE, UNUSABLE_SHARE
from models.chat.journal import Journal, TokenTotals
from models.chat.protocol import CONTEXT_OVERFLOW, LENGTH, STOP, ChatModel, ChatReply, ChatRequest

WINDOW = 8192
"""Requests that may be begun beyond the first one still unanswered: what is held in memory."""

UNANSWERED_FLOOR = 3
"""More requests given up than `UNANSWERED_SHARE`, and than this number, stop a run."""

UNUSABLE_AFTER = 100
"""`UNUSABLE_SHARE` is checked among the first replies once so many have come in, and among all
questions when every try is used up."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnusableReply:
    """Why a reply is of no use; another seed may bring a better one."""

    reason: str


@dataclass(frozen=True, slots=True)
class FailureLimits:
    """How much may go wrong.

    `attempts` per question with an unusable reply; `unusable` and `unanswered` are the shares of
    questions that may stay without a usable reply, and of requests without any.
    """

    attempts: int = ATTEMPTS
    unusable: float = UNUSABLE_SHARE
    unanswered: float = UNANSWERED_SHARE


@dataclass(frozen=True, slots=True)
class StageReplies(Generic[T]):
    """What a stage got for each of its questions (`None`: nothing of use), and counts.

    `counts` holds `replies`, `retried`, `left_unusable` (questions), and for each reason how many
    replies were refused for it or questions had none (`unanswered`, `context_overflow`). `totals`
    adds up all replies that were read, whether they were asked for now or earlier.
    """

    values: list[T | None]
    counts: dict[str, int]
    totals: TokenTotals = field(default_factory=TokenTotals)


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits over all that a run's journal holds, 0 for none.

    `max_tokens` counts prompts and replies; `max_cost` is in the currency of the two prices, which
    are per million tokens. `before` is what other runs have used of these limits. Raises `BadInput`
    for a negative value or a cost without prices.
    """

    max_tokens: int = 0
    max_cost: float = 0.0
    price_prompt: float = 0.0
    price_reply: float = 0.0
    before: TokenTotals = field(default_factory=TokenTotals)

    def __post_init__(self) -> None:
        """Check the limits."""
        if min(self.max_tokens, self.max_cost, self.price_prompt, self.price_reply) < 0:
            raise BadInput(f"a limit or price is negative: {self}", fix="Give 0 or more.")
        if self.max_cost and not (self.price_prompt or self.price_reply):
            raise BadInput(
                f"a limit of {self.max_cost} on cost, but no price is known",
                fix="Give --price-prompt and --price-reply, per million tokens.",
            )

    def cost(self, totals: TokenTotals) -> float:
        """Return what so many tokens cost."""
        return (
            totals.prompt_tokens * self.price_prompt + totals.reply_tokens * self.price_reply
        ) / 1e6

    def reached(self, totals: TokenTotals) -> BudgetReached | None:
        """Return the error to raise when nothing more may be asked, or `None`."""
        totals = self.before.together(totals)
        tokens = totals.prompt_tokens + totals.reply_tokens
        if self.max_tokens and tokens >= self.max_tokens:
            return _stop(f"{tokens:,} tokens of {self.max_tokens:,}", "--max-tokens-total", totals)
        if self.max_cost and self.cost(totals) >= self.max_cost:
            spent = f"a cost of {self.cost(totals):.4f} of {self.max_cost:.4f}"
            return _stop(spent, "--max-cost", totals)
        return None


@dataclass(slots=True)
class Dispatcher:
    """Asks a model through a journal: what is answered there is never asked again."""

    model: ChatModel
    journal: Journal
    reporter: Reporter
    budget: Budget = field(default_factory=Budget)
    limits: FailureLimits = field(default_factory=FailureLimits)
    _asked: int = field(default=0, init=False)
    _given_up: int = field(default=0, init=False)
    _own: set[int] = field(default_factory=set, init=False)
    _kept: int = field(default=0, init=False)

    @property
    def kept(self) -> int:
        """How many requests the journal had answered before this dispatcher asked anything."""
        return self._kept

    def replies_in_order(self, requests: Iterable[ChatRequest]) -> Iterator[ChatReply]:
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
                if key in self.journal and hash(key) not in self._own:
                    self._kept += 1
                if not (key in self.journal or key in arrived or key in under_way):
                    state.stop = self.budget.reached(self.journal.totals)
                    if state.stop is not None:
                        return
                    under_way[key] = request
                    self._asked += 1
                    self._own.add(hash(key))
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

    def stage_replies(
        self,
        label: str,
        count: int,
        build: Callable[[int, int], ChatRequest],
        read: Callable[[int, ChatReply], T | UnusableReply],
    ) -> StageReplies[T]:
        """Ask `count` questions; ask those with an unusable reply again, by another seed.

        `build(number, attempt)` makes a request, `read(number, reply)` an answer or an
        `UnusableReply`. Raises `ModelError` with counts when the share of questions without a
        usable reply passes `limits`, and whatever `replies_in_order` raises.
        """
        values: list[T | None] = [None] * count
        counts: Counter[str] = Counter()
        totals = TokenTotals()
        open_numbers: list[int] | range = range(count)
        for attempt in range(self.limits.attempts):
            left: list[int] = []
            asked = (build(number, attempt) for number in open_numbers)
            counts["retried"] += len(open_numbers) if attempt else 0
            shown = label if attempt == 0 else f"{label} (try {attempt + 1})"
            with self.reporter.bar(shown, len(open_numbers), "replies") as advance:
                for number, reply in zip(open_numbers, self.replies_in_order(asked), strict=True):
                    advance(1, tokens=reply.reply_tokens)
                    totals = totals.plus(reply.prompt_tokens, reply.reply_tokens)
                    result = _without_reply(reply, counts) or _cut(reply) or read(number, reply)
                    if not isinstance(result, UnusableReply):
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
        kept = {key: number for key, number in counts.items() if number}
        return StageReplies(values, kept, totals)

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
        allowed = max(UNANSWERED_FLOOR, self.limits.unanswered * self._asked)
        if self._given_up > allowed:
            raise ModelError(
                f"{self._given_up:,} of {self._asked:,} requests to {self.model.name!r} were given "
                f"up; the last: {reply.error}",
                fix="Fix the server or its limits, then run the same command again: every reply "
                "so far is kept.",
            )

    def _check_usable(self, label: str, unusable: int, counts: Counter[str]) -> None:
        """Raise `ModelError` when too many of the questions answered so far are without use."""
        questions = counts["replies"] - counts["retried"]
        if unusable > self.limits.unusable * questions:
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


_NO_REPLY = UnusableReply("no reply")
_TOTALS = ("replies", "retried", "left_unusable")


def _cut(reply: ChatReply) -> UnusableReply | None:
    """Refuse a reply that did not end by itself: half a text is no text, nor a label.

    Log-probabilities of an answer that stands in it are whole, wherever the text ends.
    """
    if reply.finish == STOP or (reply.finish == LENGTH and reply.logprobs):
        return None
    return UnusableReply("cut_off" if reply.finish == LENGTH else reply.finish)


def _without_reply(reply: ChatReply, counts: Counter[str]) -> UnusableReply | None:
    """Count a reply; return `_NO_REPLY` for one that another seed cannot mend either."""
    if reply.error:
        counts["unanswered"] += 1
        return _NO_REPLY
    counts["replies"] += 1
    if reply.finish == CONTEXT_OVERFLOW:
        counts["context_overflow"] += 1
        return _NO_REPLY
    return None


def _stop(spent: str, flag: str, totals: TokenTotals) -> BudgetReached:
    """Return the error that says what was spent and how to go on."""
    return BudgetReached(
        f"the budget is reached: {spent} after {totals.replies:,} replies",
        fix=f"All of them are kept; run the same command with a higher {flag} to go on.",
    )
