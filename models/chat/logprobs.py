"""Log-probabilities of a few answers, taken out of what servers and engines list for a reply."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

LISTED = 20
"""Tokens listed for each place: the most that OpenAI's API and vLLM by default allow."""

Place: TypeAlias = tuple[str, Sequence[tuple[str, float]]]
"""A place of a reply: the token there, and those listed with their log-probabilities."""


def answer_logprobs(places: Sequence[Place], answers: Sequence[str]) -> dict[str, float]:
    """Return the log-probability of each listed answer, and under an empty text the least listed.

    It is taken at the last place whose token is one of the answers. Tokens that differ from an
    answer in white space and case alone count for it, and add up. Empty if no place has one.
    """
    by_word = {answer.casefold(): answer for answer in answers}
    for token, listed in reversed(places):
        if token.strip().casefold() not in by_word:
            continue
        found: dict[str, float] = {}
        for text, value in listed:
            answer = by_word.get(text.strip().casefold())
            if answer is not None:
                found[answer] = _added(found.get(answer, -math.inf), value)
        least = min((value for _, value in listed), default=-math.inf)
        return {**found, "": least} if found and math.isfinite(least) else found
    return {}


def server_places(choice: Mapping[str, Any]) -> list[Place]:
    """Return the places in a chat completion's `logprobs`; none if it has none."""
    content: Iterable[Any] = (choice.get("logprobs") or {}).get("content") or ()
    return [
        (
            str(place["token"]),
            [(str(each["token"]), float(each["logprob"])) for each in place["top_logprobs"]],
        )
        for place in content
    ]


def _added(first: float, second: float) -> float:
    """Return ln(e^first + e^second)."""
    high, low = max(first, second), min(first, second)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
