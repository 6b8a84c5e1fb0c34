"""HTTP embedders against a real local server: vectors, requests, lengths, options."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.errors import BadInput, DataUnavailable
from harness.core.types import PromptFields
from models.backends.http import HttpEmbedder
from models.backends.http_batching import pack
from models.card import card_from_mapping
from models.spec import LoadOptions, make_spec
from tests.helpers.embedding_server import (
    DIMENSION,
    MODEL,
    Server,
    changed,
    expected,
    vector,
)
from tests.helpers.http_embedders import TEXTS, FakeClock, card, embedder, encode


def test_vectors_are_normalised_float32_in_the_order_of_the_texts(
    server: Server, clock: FakeClock
) -> None:
    vectors = encode(embedder(server, clock, options={"batch_size": 3}))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected(TEXTS), atol=1e-6)
    assert len(server.bodies) == 4
    assert clock.waits == []


def test_without_normalisation_the_servers_own_values_are_kept(
    server: Server, clock: FakeClock
) -> None:
    vectors = encode(embedder(server, clock, normalize=False))
    assert vectors.tobytes() == np.stack([vector(text) for text in TEXTS]).tobytes()


def test_the_order_of_completion_does_not_matter(server: Server, clock: FakeClock) -> None:
    """The first request is held until all others have been answered."""
    answered = threading.Semaphore(0)

    def count(handler: Any, body: dict[str, Any]) -> None:
        changed(lambda reply: None)(handler, body)
        answered.release()

    def last(handler: Any, body: dict[str, Any]) -> None:
        for _ in range(9):
            assert answered.acquire(timeout=20)
        changed(lambda reply: None)(handler, body)

    server.faults.append(last)
    server.always = count
    options = {"batch_size": 1, "concurrency": 4}
    vectors = encode(embedder(server, clock, options=options))
    np.testing.assert_allclose(vectors, expected(TEXTS), atol=1e-6)


def test_concurrency_is_used_and_bounded(server: Server, clock: FakeClock) -> None:
    barrier = threading.Barrier(3)

    def together(handler: Any, body: dict[str, Any]) -> None:
        barrier.wait(timeout=20)  # answers only when three requests are there at once
        changed(lambda reply: None)(handler, body)

    server.always = together
    encode(embedder(server, clock, options={"batch_size": 1, "concurrency": 3}), TEXTS[:9])
    assert server.most_at_once == 3


def test_instruction_and_empty_texts_are_sent(server: Server, clock: FakeClock) -> None:
    model = embedder(server, clock)
    model.encode(["a", ""], role="query", instruction="Find: ")
    model.encode(["", "b"], role="document", instruction="")
    assert server.bodies[0]["input"] == ["Find: a", "Find: "]
    assert server.bodies[1]["input"] == [" ", "b"]
    model.close()


def test_half_a_surrogate_pair_is_sent_as_a_replacement(server: Server, clock: FakeClock) -> None:
    encode(embedder(server, clock), ["a\ud83db", "\U0001f642"])
    assert server.bodies[0]["input"] == ["a\ufffdb", "\U0001f642"]


def test_no_text_needs_no_server(server: Server, clock: FakeClock) -> None:
    assert encode(embedder(server, clock, dimension=DIMENSION), []).shape == (0, DIMENSION)
    assert server.bodies == []


def test_instruction_is_the_cards_template(server: Server, clock: FakeClock) -> None:
    wording = PromptFields("biology", "Biology", "Biology post", "post", "passages")
    model = embedder(server, clock, query_instruction="Given {a_query_kind}: ")
    assert model.instruction("query", wording) == "Given a Biology post: "
    assert model.instruction("document", wording) == ""


def test_base64_is_asked_for_and_read(server: Server, clock: FakeClock) -> None:
    def encoded(reply: dict[str, Any]) -> None:
        for item in reply["data"]:
            raw = np.array(item["embedding"], dtype="<f4").tobytes()
            item["embedding"] = base64.b64encode(raw).decode()

    server.always = changed(encoded)
    vectors = encode(embedder(server, clock, options={"encoding_format": "base64"}))
    assert server.bodies[0]["encoding_format"] == "base64"
    np.testing.assert_allclose(vectors, expected(TEXTS), atol=1e-6)


def test_a_shuffled_reply_is_put_in_order(server: Server, clock: FakeClock) -> None:
    server.always = changed(lambda reply: reply["data"].reverse())
    np.testing.assert_allclose(encode(embedder(server, clock)), expected(TEXTS), atol=1e-6)


def test_what_the_card_adds_to_the_body(server: Server, clock: FakeClock) -> None:
    options = {
        "model": MODEL,
        "dimensions": DIMENSION,
        "dimensions_field": "output_dimension",
        "query_input_type": "search_query",
        "document_input_type": "search_document",
        "length_field": "truncate_prompt_tokens",
        "extra_body": {"truncation": True},
    }
    model = embedder(server, clock, options=options, max_query_length=256, max_document_length=512)
    model.encode(["q"], role="query", instruction="")
    model.encode(["d"], role="document", instruction="")
    query, document = server.bodies
    assert query == {
        "model": MODEL,
        "input": ["q"],
        "output_dimension": DIMENSION,
        "input_type": "search_query",
        "truncate_prompt_tokens": 256,
        "truncation": True,
    }
    assert document["input_type"] == "search_document"
    assert document["truncate_prompt_tokens"] == 512
    model.close()


def test_requests_stay_within_texts_and_tokens() -> None:
    assert pack([1] * 7, texts=3, tokens=100) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert pack([5, 5, 5, 20, 1], 10, 10) == [
        slice(0, 2),
        slice(2, 3),
        slice(3, 4),
        slice(4, 5),
    ]
    assert pack([], 3, 3) == []


def test_the_token_cap_splits_requests(server: Server, clock: FakeClock) -> None:
    texts = ["x" * 300] * 4  # 100 tokens each by the estimate
    encode(embedder(server, clock, options={"request_tokens": 250}), texts)
    assert sorted(len(body["input"]) for body in server.bodies) == [2, 2]


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> str:
    """A word-level tokenizer that frames each text with [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "b": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(2)  # its own limit must not count
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path)


def test_texts_are_cut_before_they_are_sent(
    server: Server, clock: FakeClock, tokenizer_folder: str
) -> None:
    model = embedder(server, clock, options={"tokenizer": tokenizer_folder}, max_document_length=5)
    texts = ["a b a b a b", "a  b,  a", "a", ""]
    counts = model.token_counts(texts, "document", "b ")
    assert counts.dtype == np.int64
    assert counts.tolist() == [9, 7, 4, 3]
    model.encode(texts, role="document", instruction="b ")
    assert server.bodies[0]["input"] == ["b a b", "b a  b", "b a", "b "]
    space = model.space("document", "b ")
    assert (space.max_length, space.truncation_side) == (5, "right")
    assert space.tokenizer.startswith("sha256:")
    model.close()


def test_a_length_from_the_command_line_is_followed(
    server: Server, clock: FakeClock, tokenizer_folder: str
) -> None:
    made = card(server, options={"tokenizer": tokenizer_folder}, max_query_length=9)
    model = HttpEmbedder(make_spec(made, LoadOptions(max_length=4)), clock=clock)
    model.encode(["a b a b"], role="query", instruction="")
    assert server.bodies[0]["input"] == ["a b"]
    assert model.space("query", "").max_length == 4
    model.close()


def test_a_length_without_room_for_text(
    server: Server, clock: FakeClock, tokenizer_folder: str
) -> None:
    options = {"tokenizer": tokenizer_folder}
    with pytest.raises(BadInput, match="no room for text"):
        encode(embedder(server, clock, options=options, max_document_length=2), ["a b"])


def test_a_length_that_nothing_would_enforce_is_refused(server: Server, clock: FakeClock) -> None:
    with pytest.raises(BadInput, match="nothing to cut texts with"):
        embedder(server, clock, max_document_length=512)
    by_itself = {"server_truncates": True}
    embedder(server, clock, max_document_length=512, options=by_itself)
    with pytest.raises(BadInput, match="nothing to cut texts with"):
        HttpEmbedder(make_spec(card(server, options=by_itself), LoadOptions(max_length=64)))


def test_a_tokenizer_that_is_not_there(server: Server, clock: FakeClock, tmp_path: Path) -> None:
    model = embedder(server, clock, options={"tokenizer": str(tmp_path)})
    with pytest.raises(DataUnavailable, match=r"tokenizer\.json"):
        model.space("query", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_ur": "x"}, "unknown key 'base_ur'"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"batch_size": "8"}, "batch_size = '8'"),
        ({"batch_size": True}, "batch_size = True"),
        ({"timeout": 0}, "timeout = 0"),
        ({"price_per_million_tokens": -1}, "price_per_million_tokens = -1"),
        ({"encoding_format": "hex"}, "encoding_format = 'hex'"),
        ({"base_url": "localhost:8000"}, "base_url: 'localhost:8000' is not"),
        ({"base_url": "ftp://host/v1"}, "base_url: 'ftp://host/v1' is not"),
        ({"base_url": "http://"}, "base_url: 'http://' is not"),
        ({"extra_body": []}, "extra_body = []"),
    ],
)
def test_options_that_do_not_fit(
    server: Server, clock: FakeClock, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        embedder(server, clock, options=options)
    assert said in caught.value.message
    assert "'toy'" in caught.value.message


def test_an_endpoint_must_be_named() -> None:
    bare = card_from_mapping({"name": "toy", "backend": "http"}, "test")
    with pytest.raises(BadInput, match="base_url is missing"):
        HttpEmbedder(make_spec(bare))


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "https://host/v1?key=secret"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(clock: FakeClock, url: str) -> None:
    with pytest.raises(BadInput, match="a user, a password, a query") as caught:
        embedder(Server(url=url), clock)
    assert "secret" not in str(caught.value)
