"""What an HTTP embedder keeps to itself, what it counts, and what tells its vectors apart."""

from __future__ import annotations

import dataclasses
import json
import traceback
from typing import Any

import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.hashing import canonical_json, space_fingerprint
from models.backends.http_batching import same_model
from tests.helpers.embedding_server import (
    Server,
    changed,
    status,
)
from tests.helpers.http_embedders import TEXTS, FakeClock, embedder, encode

KEY = "sk-very-secret-0123456789"


def test_the_key_is_sent_and_nowhere_else(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_API_KEY", f" {KEY}\n")
    server.faults.append(status(401, {"error": {"message": f"Incorrect API key: {KEY}"}}))
    model = embedder(server, clock, options={"api_key_env": "TOY_API_KEY"})
    with pytest.raises(ModelError) as caught:
        model.encode(TEXTS, role="document", instruction="")
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "TOY_API_KEY" in caught.value.fix
    space = model.space("query", "")
    seen = [
        "".join(traceback.format_exception(caught.value)),
        canonical_json(dict(model.identity)),
        canonical_json(dataclasses.asdict(space)),
        repr(model.usage),
        json.dumps(server.bodies),
    ]
    assert not [text for text in seen if KEY in text]
    assert "Incorrect API key: [key]" in caught.value.message
    model.close()


def test_another_header_carries_the_bare_key(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_API_KEY", KEY)
    options = {"api_key_env": "TOY_API_KEY", "api_key_header": "api-key"}
    encode(embedder(server, clock, options=options))
    assert server.headers[0]["api-key"] == KEY
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_absent_key_is_told_before_anything_is_sent(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("TOY_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TOY_API_KEY", value)
    model = embedder(server, clock, options={"api_key_env": "TOY_API_KEY"})
    with pytest.raises(ModelError, match="TOY_API_KEY is not set") as caught:
        encode(model)
    assert "export TOY_API_KEY" in caught.value.fix
    assert server.bodies == []


@pytest.mark.parametrize("value", ["sk-one\nsk-two", "sk one", "sk-ö"])
def test_a_key_no_header_can_carry_is_not_shown(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TOY_API_KEY", value)
    model = embedder(server, clock, options={"api_key_env": "TOY_API_KEY"})
    with pytest.raises(BadInput, match="TOY_API_KEY") as caught:
        encode(model)
    assert value not in "".join(traceback.format_exception(caught.value))


def test_without_a_key_none_is_sent(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.faults.append(status(401))
    with pytest.raises(ModelError) as caught:
        encode(embedder(server, clock))
    assert "Authorization" not in server.headers[0]
    assert "options.api_key_env" in caught.value.fix


def test_tokens_and_cost_are_counted(server: Server, clock: FakeClock) -> None:
    model = embedder(server, clock, options={"batch_size": 4, "price_per_million_tokens": 20})
    server.faults.append(status(500))
    encode(model)
    usage = model.usage
    assert (usage.requests, usage.retries, usage.tokens, usage.unreported) == (4, 1, 30, 0)
    assert usage.cost == pytest.approx(30 * 20 / 1e6)


def test_without_price_or_tokens_there_is_no_cost(server: Server, clock: FakeClock) -> None:
    free = embedder(server, clock)
    encode(free)
    assert (free.usage.tokens, free.usage.cost) == (30, None)
    server.always = changed(lambda reply: reply.pop("usage") and None)
    silent = embedder(server, clock, options={"price_per_million_tokens": 1})
    encode(silent)
    assert (silent.usage.tokens, silent.usage.unreported, silent.usage.cost) == (0, 1, None)


def test_identity_and_space_ask_nothing_of_the_server(server: Server, clock: FakeClock) -> None:
    model = embedder(server, clock, options={"api_key_env": "NO_SUCH_KEY_ANYWHERE"})
    assert model.identity["backend"] == "http"
    assert model.space("query", "i: ").instruction == "i: "
    assert model.token_counts(["abc", ""], "document", "").tolist() == [1, 1]
    assert server.bodies == []


def test_the_address_is_identity_only_where_the_weights_are_unknown(clock: FakeClock) -> None:
    here, there = Server(url="http://127.0.0.1:1/v1"), Server(url="http://127.0.0.1:2/v1")

    def spaces(**values: Any) -> set[str]:
        models = [embedder(server, clock, **values) for server in (here, there)]
        return {space_fingerprint(model.space("document", "")) for model in models}

    assert len(spaces()) == 2
    assert len(spaces(revision="0123abcd")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"revision": "1"},
        {"normalize": False},
        {"dtype": "bfloat16"},
        {"pooling": "last"},
        {"dimension": 8},
        {"max_document_length": 99, "options": {"server_truncates": True}},
        {"options": {"model": "other"}},
        {"options": {"dimensions": 8}},
        {"options": {"document_input_type": "passage"}},
        {"options": {"extra_body": {"truncate": "END"}}},
        {"options": {"empty_text": "-"}},
        {"options": {"reported_model": "other"}},
        {"options": {"length_field": "max_tokens"}},
    ],
    ids=str,
)
def test_whatever_changes_a_vector_changes_the_space(
    server: Server, clock: FakeClock, change: dict[str, Any]
) -> None:
    plain = embedder(server, clock).space("document", "")
    other = embedder(server, clock, **change).space("document", "")
    assert space_fingerprint(plain) != space_fingerprint(other)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 1},
        {"request_tokens": 5},
        {"concurrency": 1},
        {"timeout": 1},
        {"attempts": 1},
        {"price_per_million_tokens": 1.0},
        {"api_key_env": "X"},
        {"encoding_format": "base64"},
        {"query_input_type": "query"},  # the documents' space
    ],
    ids=str,
)
def test_what_changes_no_vector_changes_no_space(
    server: Server, clock: FakeClock, options: dict[str, Any]
) -> None:
    plain = embedder(server, clock).space("document", "")
    other = embedder(server, clock, options=options).space("document", "")
    assert space_fingerprint(plain) == space_fingerprint(other)


def test_another_model_behind_the_address_is_noticed(server: Server, clock: FakeClock) -> None:
    server.always = changed(lambda reply: reply.update(model="somebody/else-v2"))
    with pytest.raises(ModelError, match="runs 'somebody/else-v2', not 'org/toy-embedder'") as it:
        encode(embedder(server, clock))
    assert "reported_model = 'somebody/else-v2'" in it.value.fix
    encode(embedder(server, clock, options={"reported_model": "somebody/else-v2"}))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Qwen/Qwen3", "qwen/qwen3", True),
        ("nomic-embed-text:latest", "nomic-embed-text", True),
        ("/srv/models/Qwen3", "Qwen3", True),
        ("gemini-embedding-001", "models/gemini-embedding-001", True),
        ("a/model", "b/model", False),
        ("text-embedding-3-large", "text-embedding-3-small", False),
        ("model", "my-model", False),
    ],
)
def test_names_of_one_model(one: str, other: str, same: bool) -> None:
    assert same_model(one, other) is same
    assert same_model(other, one) is same
