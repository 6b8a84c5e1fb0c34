"""Requests in order, each asked once, budgets kept, and stops that lose nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, BudgetReached, ModelError
from harness.core.progress import SilentReporter
from models.chat import dispatch
from models.chat.dispatch import Budget, Dispatcher, FailureLimits, UnusableReply
from models.chat.journal import Journal, TokenTotals
from models.chat.protocol import CONTEXT_OVERFLOW, ChatReply, Replies, Sampling, user_request

SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=10)


class Shuffled:
    """A model that has `width` requests under way and answers them in random order."""

    name = "shuffled"

    def __init__(self, width: int = 4, seed: int = 0, bad: frozenset[str] = frozenset()) -> None:
        self.width = width
        self.rng = np.random.default_rng(seed)
        self.bad = bad
        self.asked: Counter[str] = Counter()

    def replies(self, requests: Iterator) -> Replies:
        under_way = []
        while True:
            while len(under_way) < self.width and (item := next(requests, None)) is not None:
                under_way.append(item)
            if not under_way:
                return
            key, request = under_way.pop(int(self.rng.integers(len(under_way))))
            text = request.messages[0].content
            self.asked[text] += 1
            if text in self.bad:
                yield ChatReply(key, "", error="broken")
            else:
                yield ChatReply(key, f"re: {text} / {request.seed}", "stop", 5, 5)


def request(text: str, seed: int = 1):
    return user_request("m", text, SAMPLING, seed)


def refuse(number: int, reply: ChatReply) -> UnusableReply:
    return UnusableReply("noise")


def dispatcher(path: Path, model, **more) -> Dispatcher:
    return Dispatcher(model, Journal(path / "j.jsonl"), SilentReporter(), **more)


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=30),
    st.sets(st.sampled_from("abcdefgh")),
    st.integers(1, 6),
    st.integers(1, 10),
)
def test_order_is_kept_and_nothing_is_asked_twice(tmp_path_factory, texts, before, width, window):
    path = tmp_path_factory.mktemp("ask")
    first = dispatcher(path, Shuffled())
    list(first.replies_in_order(request(text) for text in sorted(before)))
    first.journal.close()
    model = Shuffled(width, seed=len(texts))
    second = dispatcher(path, model)
    saved, dispatch.WINDOW = dispatch.WINDOW, window
    try:
        got = [reply.text for reply in second.replies_in_order(request(text) for text in texts)]
    finally:
        dispatch.WINDOW = saved
        second.journal.close()
    assert got == [f"re: {text} / 1" for text in texts]
    assert model.asked == Counter(set(texts) - before)


def test_a_budget_of_tokens_stops_cleanly_and_goes_on_with_a_higher_one(tmp_path: Path):
    texts = [f"t{n}" for n in range(50)]
    model = Shuffled(width=4)
    first = dispatcher(tmp_path, model, budget=Budget(max_tokens=100))
    with pytest.raises(BudgetReached, match="--max-tokens-total"):
        list(first.replies_in_order(map(request, texts)))
    spent = first.journal.totals
    assert 100 <= spent.prompt_tokens + spent.reply_tokens <= 100 + 4 * 10
    assert sum(model.asked.values()) == spent.replies == len(first.journal)
    with pytest.raises(BudgetReached):  # the same budget buys nothing more
        list(first.replies_in_order(map(request, texts)))
    assert first.journal.totals == spent
    first.budget = Budget(max_tokens=10_000)
    assert len(list(first.replies_in_order(map(request, texts)))) == 50
    assert set(model.asked.values()) == {1}


def test_a_budget_of_money_uses_both_prices(tmp_path: Path):
    totals = TokenTotals(3, prompt_tokens=2_000_000, reply_tokens=500_000)
    budget = Budget(max_cost=3.0, price_prompt=1.0, price_reply=2.0)
    assert budget.cost(totals) == pytest.approx(3.0)
    assert "--max-cost" in str(budget.reached(totals))
    assert Budget(max_cost=3.01, price_prompt=1.0, price_reply=2.0).reached(totals) is None
    assert Budget().reached(totals) is None


@pytest.mark.parametrize("wrong", [{"max_tokens": -1}, {"max_cost": 1.0}, {"price_reply": -1.0}])
def test_senseless_budgets_are_refused(wrong):
    with pytest.raises(BadInput):
        Budget(**wrong)


def test_given_up_requests_are_counted_not_kept_and_stop_a_run_of_them(tmp_path: Path):
    texts = [f"t{n}" for n in range(200)]
    few = dispatcher(tmp_path / "few", Shuffled(bad=frozenset(texts[:3])))
    got = few.stage_replies("x", 200, lambda n, a: request(texts[n], a), lambda n, r: r.text)
    assert got.counts == {"unanswered": 3, "replies": 197}
    assert got.values[:3] == [None] * 3
    assert None not in got.values[3:]
    assert len(few.journal) == 197
    many = dispatcher(tmp_path / "many", Shuffled(bad=frozenset(texts)))
    with pytest.raises(ModelError, match=r"4 of \d+ requests to 'shuffled' were given up.*broken"):
        list(many.replies_in_order(map(request, texts)))
    tolerant = dispatcher(tmp_path / "tolerant", Shuffled(bad=frozenset(texts)))
    tolerant.limits = FailureLimits(unanswered=1.0)
    assert len(list(tolerant.replies_in_order(map(request, texts)))) == 200


def test_unusable_replies_are_asked_again_by_another_seed(tmp_path: Path):
    model = Shuffled()
    own = dispatcher(tmp_path, model)

    def read(number: int, reply: ChatReply) -> str | UnusableReply:
        seed = int(reply.text.rsplit("/", 1)[1])
        return reply.text if seed >= number else UnusableReply("early")

    got = own.stage_replies("x", 5, lambda n, a: request(f"t{n}", a), read)
    assert [value and value[-1] for value in got.values] == ["0", "1", "2", None, None]
    # t0 is good at once, t1 with the second seed, t2 with the third, t3 and t4 never.
    assert got.counts == {
        "replies": 5 + 4 + 3,
        "early": 4 + 3 + 2,
        "retried": 7,
        "left_unusable": 2,
    }


def test_too_many_unusable_replies_stop_with_counts_and_nothing_is_lost(tmp_path: Path):
    model = Shuffled()
    own = dispatcher(tmp_path, model)
    with pytest.raises(
        ModelError, match=r"x: for 100 of 100 questions .* replies 100, of them noise 100"
    ):
        own.stage_replies(
            "x", 500, lambda n, a: request(f"t{n}", a), lambda n, r: UnusableReply("noise")
        )
    assert 100 <= len(own.journal) <= 104
    few = dispatcher(tmp_path / "few", Shuffled())
    with pytest.raises(ModelError, match=r"for 3 of 3 questions .* replies 9, of them noise 9"):
        few.stage_replies(
            "x", 3, lambda n, a: request(f"t{n}", a), lambda n, r: UnusableReply("noise")
        )


def test_an_overflow_is_counted_once_and_never_asked_again(tmp_path: Path):
    class Overflowing(Shuffled):
        def replies(self, requests: Iterator) -> Replies:
            for key, request in requests:
                self.asked[request.messages[0].content] += 1
                yield ChatReply(key, "", finish=CONTEXT_OVERFLOW)

    model = Overflowing()
    own = dispatcher(tmp_path, model)
    for _ in range(2):
        got = own.stage_replies("x", 3, lambda n, a: request(f"t{n}", a), lambda n, r: r.text)
        assert got.counts == {"replies": 3, "context_overflow": 3}
        assert got.values == [None] * 3
    assert set(model.asked.values()) == {1}


def test_the_model_is_closed_when_the_caller_stops(tmp_path: Path):
    closed = []

    class Closing(Shuffled):
        def replies(self, requests: Iterator) -> Replies:
            try:
                yield from super().replies(requests)
            finally:
                closed.append(True)

    own = dispatcher(tmp_path, Closing())
    stream = own.replies_in_order(request(f"t{n}") for n in range(20))
    next(stream)
    stream.close()
    assert closed == [True]
