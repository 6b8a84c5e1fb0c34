"""What an embeddings endpoint answered: checked, put in order, and turned into a matrix."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import ModelError

if TYPE_CHECKING:
    from harness.core.types import FloatMatrix, FloatVector

FIX = "Check that base_url is an OpenAI-compatible endpoint for embeddings, and its version."


@dataclass(frozen=True, slots=True)
class Reply:
    """Vectors float32 `[n, d]` in the order of the texts, the tokens billed, the model's name.

    `tokens` is `None` and `model` empty where the server does not say.
    """

    vectors: FloatMatrix
    tokens: int | None
    model: str


def read_reply(payload: Any, expected: int, server: str) -> Reply:
    """Check a decoded reply to `expected` texts and return what it holds.

    Raises `ModelError` (naming `server`) for an error in a successful reply, for fewer or more
    vectors than texts, an `index` that is not a permutation, and vectors of unequal length. One
    item without an index among items numbered from 1 is item 0: protobuf, and so Gemini, leaves
    out zeros.
    """
    if not isinstance(payload, Mapping) or not isinstance(payload.get("data"), list):
        raise ModelError(f"{server} sent no list of vectors: {_shown(payload)}", fix=FIX)
    data = payload["data"]
    if len(data) != expected:
        raise ModelError(
            f"{server} returned {len(data)} vectors for {expected} texts",
            fix="Set a smaller options.batch_size in the model's card, or fix the server.",
        )
    rows = [_vector(item, server) for item in _in_order(data, server)]
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ModelError(
            f"{server} returned vectors of {' and '.join(map(str, sorted(lengths)))} components",
            fix="All vectors of one model must be equally long; fix the server.",
        )
    return Reply(np.stack(rows), _tokens(payload), str(payload.get("model") or ""))


def _in_order(data: Sequence[Any], server: str) -> list[Any]:
    """Return the items by their `index`, or as they are if none has one."""
    if not all(isinstance(item, Mapping) for item in data):
        raise ModelError(f"{server} sent no list of vectors: {_shown(data)}", fix=FIX)
    places = [item.get("index") for item in data]
    if all(place is None for place in places):
        return list(data)
    if places.count(None) == 1:
        places = [0 if place is None else place for place in places]
    if any(isinstance(place, bool) or not isinstance(place, int) for place in places) or sorted(
        places
    ) != list(range(len(data))):
        raise ModelError(
            f"{server} numbered {len(data)} vectors {_shown([item.get('index') for item in data])}",
            fix="Each text's vector must carry its index; fix the server.",
        )
    order = sorted(range(len(data)), key=lambda at: int(places[at] or 0))
    return [data[at] for at in order]


def _vector(item: Mapping[str, Any], server: str) -> FloatVector:
    """Return one vector float32 `[d]`, sent as numbers or as base64 of little-endian float32."""
    value = item.get("embedding")
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype("f4")
        if not isinstance(value, list) or not all(type(each) in (int, float) for each in value):
            raise TypeError("not a list of numbers")
        with np.errstate(over="ignore"):  # what float32 cannot hold is reported as not finite
            return np.array(value, dtype=np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise ModelError(
            f"{server} sent a vector that cannot be read ({error}): {_shown(value)}",
            fix="It must be a list of numbers or base64 of float32; a server without pooling "
            "sends one vector a token: start it with pooling.",
        ) from error


def _tokens(payload: Mapping[str, Any]) -> int | None:
    """Return the tokens billed, or `None` where the reply does not say."""
    usage = payload.get("usage")
    if not isinstance(usage, Mapping):
        return None
    for name in ("prompt_tokens", "total_tokens"):
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _shown(value: Any) -> str:
    """Return the start of a value, for a message."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
