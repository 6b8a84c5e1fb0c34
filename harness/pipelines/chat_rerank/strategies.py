"""How lists are turned into questions to a chat model, and replies into scores for each sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.pipelines.chat_rerank.asking import Asking, Question
from harness.pipelines.chat_rerank.replies import (
    GroupScores,
    Repaired,
    read_group,
    read_number,
    read_order,
    read_yes_no,
)
from harness.pipelines.rerank_ports import CandidateList
from models.chat.dispatch import UnusableReply
from models.chat.protocol import ChatReply

if TYPE_CHECKING:
    from harness.pipelines.chat_rerank.agreement import Repeats

Strategy: TypeAlias = "Callable[[Asking, Sequence[CandidateList], str], list[Repeats]]"
"""(asking, lists, label) -> for each list float64 `[samples, texts]`, NaN without a score."""


def one_by_one(asking: Asking, lists: Sequence[CandidateList], label: str) -> list[Repeats]:
    """Ask about each text alone, as often as there are samples."""
    samples = asking.settings.samples
    questions = [
        Question(each.query, (text,), sample)
        for each in lists
        for text in each.texts
        for sample in range(samples)
    ]
    answers, highest = asking.sampling.answers, asking.wording.highest

    def read(question: Question, reply: ChatReply) -> float | UnusableReply:
        return read_yes_no(reply, answers) if answers else read_number(reply, highest)

    values = iter(asking.ask(label, questions, read))
    found = []
    for each in lists:
        flat = [next(values) for _ in range(len(each.texts) * samples)]
        numbers = np.array([np.nan if value is None else value for value in flat])
        found.append(numbers.reshape(len(each.texts), samples).T)
    return found


def windows(count: int, size: int, step: int) -> list[tuple[int, int]]:
    """Return the places of a window that slides from the end of `count` documents to the top."""
    places = []
    end = count
    while end > 0:
        start = max(0, end - size)
        places.append((start, end))
        if start == 0:
            break
        end -= step
    return places


def sliding(asking: Asking, lists: Sequence[CandidateList], label: str) -> list[Repeats]:
    """Let a window slide over each list; a text's score is minus its place in the end.

    All lists are asked about at once, window after window. A window without a reply of use stays
    as it is.
    """
    settings = asking.settings
    orders = [[list(range(len(each.texts))) for _ in range(settings.samples)] for each in lists]
    plans = [windows(len(each.texts), settings.window, settings.stride) for each in lists]
    for passed in range(settings.passes):
        for turn in range(max(map(len, plans), default=0)):
            places = [
                (at, sample, plan[turn])
                for at, plan in enumerate(plans)
                if turn < len(plan)
                for sample in range(settings.samples)
            ]
            questions = [
                Question(
                    lists[at].query,
                    [lists[at].texts[text] for text in orders[at][sample][start:end]],
                    sample,
                )
                for at, sample, (start, end) in places
            ]
            shown = f"{label}: pass {passed + 1}, window {turn + 1}"
            replies = asking.ask(shown, questions, _order)
            for (at, sample, (start, end)), reply in zip(places, replies, strict=True):
                if reply is not None:
                    asking.wrong.update(reply.wrong)
                    window = orders[at][sample][start:end]
                    orders[at][sample][start:end] = [window[number] for number in reply.order]
    return [_minus_places(own) for own in orders]


def _order(question: Question, reply: ChatReply) -> Repaired | UnusableReply:
    return read_order(reply, len(question.texts))


def _minus_places(orders: Sequence[Sequence[int]]) -> Repeats:
    """Return minus the place of each text in each order, from 0."""
    found = np.empty((len(orders), len(orders[0])))
    for row, order in enumerate(orders):
        found[row, list(order)] = -np.arange(len(order))
    return found


def in_groups(asking: Asking, lists: Sequence[CandidateList], label: str) -> list[Repeats]:
    """Let groups of texts be scored side by side: once in the old order, then shuffled."""
    settings = asking.settings
    found = [np.full((settings.samples, len(each.texts)), np.nan) for each in lists]
    places, questions = [], []
    for at, each in enumerate(lists):
        for sample in range(settings.samples):
            for group in _groups(each, sample, settings.window, settings.seed):
                places.append((at, sample, group))
                texts = [each.texts[text] for text in group]
                questions.append(Question(each.query, texts, sample))
    highest = asking.wording.highest

    def read(question: Question, reply: ChatReply) -> GroupScores | UnusableReply:
        return read_group(reply, len(question.texts), highest)

    for (at, sample, group), reply in zip(places, asking.ask(label, questions, read), strict=True):
        if reply is not None:
            asking.wrong.update(reply.wrong)
            for number, score in reply.scores.items():
                found[at][sample, group[number]] = score
    return found


def _groups(each: CandidateList, sample: int, size: int, seed: int) -> list[list[int]]:
    """Return a list's places in groups of nearly equal size; the first sample is not shuffled."""
    order = np.arange(len(each.texts))
    if sample:
        key = hashlib.sha256(f"{seed}\0{sample}\0{each.query}".encode("utf-8", "surrogatepass"))
        order = np.random.default_rng(list(key.digest())).permutation(order)
    parts = -(-len(order) // size)
    return [part.tolist() for part in np.array_split(order, parts)] if parts else []


STRATEGIES: Mapping[str, Strategy] = {
    "chat-yes-no": one_by_one,
    "chat-score": one_by_one,
    "chat-listwise": sliding,
    "chat-groups": in_groups,
}
SIDE_BY_SIDE = frozenset(("chat-listwise", "chat-groups"))
"""Methods in which a text's score depends on the texts beside it."""
