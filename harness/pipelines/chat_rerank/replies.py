"""What replies of chat models say: an order, scores, or yes and no; and what is wrong with them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.chat.dispatch import UnusableReply
from models.chat.protocol import ChatReply
from models.chat.thinking import without_thinking

LEAST = ""
"""Key of `ChatReply.logprobs` under which the least of the listed log-probabilities stands."""

_CHAIN = re.compile(r"\[\d{1,6}\](?:\s*>\s*\[\d{1,6}\])+")
_BRACKETED = re.compile(r"\[(\d{1,6})\]")
_PLAIN_LIST = re.compile(r"[\d\s,;>]+")
_NUMBER = r"(\d{1,6}(?:\.\d{1,6})?)"
_TAGGED = re.compile(rf"<(score|answer)>\s*{_NUMBER}(?:\s*/\s*\d+)?\s*</\1>", re.IGNORECASE)
_ALONE = re.compile(rf"(?:score\s*[:=]\s*)?{_NUMBER}(?:\s*/\s*\d+)?\.?", re.IGNORECASE)
_LINE = re.compile(rf"\[(\d{{1,6}})\]\s*[:=>-]?\s*{_NUMBER}")


@dataclass(frozen=True, slots=True)
class Repaired:
    """Numbers from 0 in a model's order, and how often something was wrong, by kind.

    `order` holds each of the numbers once; `wrong` counts `missing`, `repeated` and `unknown` ones.
    """

    order: tuple[int, ...]
    wrong: Mapping[str, int] = field(default_factory=dict)


def read_order(reply: ChatReply, count: int) -> Repaired | UnusableReply:
    """Return the order that a reply gives to `count` documents, numbered from 1 in it.

    A number that comes again or that no document has is passed over, and documents that are not
    named follow in their old order. A reply that names none is of no use.
    """
    text = without_thinking(reply.text)
    chains = _CHAIN.findall(text)
    named = _BRACKETED.findall(chains[-1] if chains else text)
    if not named and _PLAIN_LIST.fullmatch(text):
        named = re.findall(r"\d+", text)
    wrong: Counter[str] = Counter()
    order: dict[int, None] = {}
    for number in (int(each[:9]) - 1 for each in named):
        if not 0 <= number < count:
            wrong["unknown"] += 1
        elif number in order:
            wrong["repeated"] += 1
        else:
            order[number] = None
    if not order:
        return UnusableReply("no_order")
    rest = [number for number in range(count) if number not in order]
    wrong["missing"] = len(rest)
    return Repaired((*order, *rest), {kind: n for kind, n in wrong.items() if n})


def read_number(reply: ChatReply, highest: int) -> float | UnusableReply:
    """Return the score in a reply: the last one in tags, or a reply that is nothing else.

    `highest` is the top of the scale (0: it has none).
    """
    text = without_thinking(reply.text)
    tagged = _TAGGED.findall(text)
    alone = _ALONE.fullmatch(text.strip())
    if not tagged and alone is None:
        return UnusableReply("no_score")
    value = float(tagged[-1][1] if tagged else alone.group(1) if alone else 0)
    return value if _fits(value, highest) else UnusableReply("score_off_scale")


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Scores of a group by number from 0, and how often something was wrong, by kind."""

    scores: Mapping[int, float]
    wrong: Mapping[str, int] = field(default_factory=dict)


def read_group(reply: ChatReply, count: int, highest: int) -> GroupScores | UnusableReply:
    """Return the scores that a reply gives to a group of `count` documents.

    The first score of a document counts. A reply that scores none is of no use.
    """
    wrong: Counter[str] = Counter()
    scores: dict[int, float] = {}
    for named, text in _LINE.findall(without_thinking(reply.text)):
        number, value = int(named) - 1, float(text)
        if not 0 <= number < count:
            wrong["unknown"] += 1
        elif number in scores:
            wrong["repeated"] += 1
        elif not _fits(value, highest):
            wrong["off_scale"] += 1
        else:
            scores[number] = value
    if not scores:
        return UnusableReply("no_score")
    wrong["missing"] = count - len(scores)
    return GroupScores(scores, {kind: n for kind, n in wrong.items() if n})


def read_yes_no(reply: ChatReply, answers: Sequence[str]) -> float | UnusableReply:
    """Return the log-probability of the first answer minus that of the second.

    An answer that is not among those listed counts with the least of them, which is more than it
    has: the difference is then too small, never too large. Raises nothing.
    """
    if not reply.logprobs:
        return UnusableReply("no_log_probabilities")
    known = reply.logprobs
    least = known.get(LEAST, -math.inf)
    yes, no = (known.get(answer, least) for answer in answers)
    if not math.isfinite(yes - no):
        return UnusableReply("no_log_probabilities")
    return yes - no


def _fits(value: float, highest: int) -> bool:
    return not highest or value <= highest
