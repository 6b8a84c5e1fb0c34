"""What an endpoint answers is checked before it is used."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ModelError
from models.backends.http_batching import read_reply


def reply(*vectors: Any, **more: Any) -> dict[str, Any]:
    data = [{"index": place, "embedding": value} for place, value in enumerate(vectors)]
    return {"data": data, **more}


def test_vectors_come_out_in_the_order_of_their_index() -> None:
    payload = reply([1.0, 0.0], [0.0, 2.0], [3.0, 3.0])
    payload["data"] = [payload["data"][2], payload["data"][0], payload["data"][1]]
    read = read_reply(payload, 3, "it")
    assert read.vectors.dtype == np.float32
    assert read.vectors.tolist() == [[1, 0], [0, 2], [3, 3]]


def test_a_left_out_index_is_zero() -> None:
    """Gemini's endpoint leaves out what is zero, as protobuf does."""
    data = [
        {"index": 2, "embedding": [3.0]},
        {"embedding": [1.0]},
        {"index": 1, "embedding": [2.0]},
    ]
    assert read_reply({"data": data}, 3, "it").vectors.tolist() == [[1], [2], [3]]
    two = {"data": [{"embedding": [1.0]}, {"embedding": [2.0]}, {"index": 1, "embedding": [3.0]}]}
    with pytest.raises(ModelError, match="numbered 3 vectors"):
        read_reply(two, 3, "it")


def test_without_index_the_order_stands() -> None:
    payload = {"data": [{"embedding": [1, 2]}, {"embedding": [3, 4]}]}
    assert read_reply(payload, 2, "it").vectors.tolist() == [[1, 2], [3, 4]]


@given(
    st.lists(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=5,
    )
)
def test_base64_and_numbers_give_the_same_bits(rows: list[list[float]]) -> None:
    matrix = np.array(rows, dtype="<f4")
    encoded = reply(*(base64.b64encode(row.tobytes()).decode() for row in matrix))
    plain = json.loads(json.dumps(reply(*rows)))
    assert read_reply(encoded, len(rows), "it").vectors.tobytes() == matrix.tobytes()
    assert read_reply(plain, len(rows), "it").vectors.tobytes() == matrix.tobytes()


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, "no list of vectors"),
        ([], "no list of vectors"),
        ("busy", "no list of vectors"),
        ({"data": None}, "no list of vectors"),
        ({"error": {"message": "model is loading"}}, "model is loading"),
        ({"data": [1, 2]}, "no list of vectors"),
        (reply([1.0]), "1 vectors for 2 texts"),
        (reply([1.0], [1.0], [1.0]), "3 vectors for 2 texts"),
        (reply([1.0, 2.0], [1.0]), "1 and 2 components"),
        (reply([], []), "0 components"),
        (reply([None], [1.0]), "cannot be read"),
        (reply(None, [1.0]), "cannot be read"),
        (reply([True], [1.0]), "cannot be read"),
        (reply(["1"], [1.0]), "cannot be read"),
        (reply([[1.0], [2.0]], [1.0]), "cannot be read"),
        (reply([10**400], [1.0]), "cannot be read"),
        (reply("!!!!", [1.0]), "cannot be read"),
        (reply("AAA=", [1.0]), "cannot be read"),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "numbered 2 vectors [0, 0]"),
        ({"data": [{"index": i, "embedding": [1.0]} for i in (1, 2)]}, "[1, 2]"),
        ({"data": [{"index": 0, "embedding": [1.0]}, {"embedding": [1.0]}]}, "[0, None]"),
        ({"data": [{"embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]}, "[None, 0]"),
        ({"data": [{"embedding": [1.0]}, {"index": 2, "embedding": [1.0]}]}, "[None, 2]"),
        ({"data": [{"index": i, "embedding": [1.0]} for i in (False, True)]}, "[False, True]"),
        ({"data": [{"index": i, "embedding": [1.0]} for i in ("0", "1")]}, "['0', '1']"),
    ],
)
def test_unusable_replies_say_what_is_wrong(payload: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_reply(payload, 2, "the server at host")
    assert said in caught.value.message
    assert caught.value.message.startswith("the server at host")
    assert caught.value.fix


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 9, "total_tokens": 11}, 9),
        ({"total_tokens": 11}, 11),
        ({"prompt_tokens": 0}, None),
        ({"prompt_tokens": "9"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_tokens_billed(usage: Any, tokens: int | None) -> None:
    assert read_reply(reply([1.0], usage=usage), 1, "it").tokens == tokens
