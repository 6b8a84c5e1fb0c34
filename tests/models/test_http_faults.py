"""HTTP embedders against a real local server that fails on request."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest

from harness.core.errors import ModelError
from harness.core.progress import SilentReporter
from models.backends.http import HttpEmbedder
from models.spec import make_spec
from tests.helpers.cache_embedders import encode_texts
from tests.helpers.embedding_server import (
    DIMENSION,
    Server,
    changed,
    expected,
    half_a_body,
    hang,
    reset,
    serving,
    status,
)
from tests.helpers.http_embedders import TEXTS, FakeClock, card, embedder, encode


@pytest.mark.parametrize("code", [408, 409, 425, 429, 502, 503, 504, 529])
def test_passing_failures_are_repeated(server: Server, clock: FakeClock, code: int) -> None:
    server.faults.extend([status(code)] * 3)
    model = embedder(server, clock)
    np.testing.assert_allclose(encode(model), expected(TEXTS), atol=1e-6)
    assert clock.waits == [1, 2, 4]
    assert (model.usage.requests, model.usage.retries) == (4, 3)


def test_retry_after_in_seconds_is_waited_for(server: Server, clock: FakeClock) -> None:
    server.faults.append(status(429, Retry_After="17"))
    encode(embedder(server, clock))
    assert clock.waits == [17]


def test_retry_after_as_a_date_is_waited_for(server: Server, clock: FakeClock) -> None:
    """The date is 25 s after the one the server sends with it (both of them fixed)."""
    when = {"Retry_After": "Tue, 17 Mar 2026 12:00:25 GMT", "Date": "Tue, 17 Mar 2026 12:00:00 GMT"}
    server.faults.append(lambda handler, body: _send_dated(handler, when))
    encode(embedder(server, clock))
    assert clock.waits == [25]


def _send_dated(handler: Any, when: dict[str, str]) -> None:
    handler.send_response_only(503)
    for name, value in when.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def test_a_server_that_asks_for_hours_is_not_waited_for(server: Server, clock: FakeClock) -> None:
    server.always = status(429, Retry_After="7200")
    with pytest.raises(ModelError, match=r"asks to wait 7,200 s"):
        encode(embedder(server, clock))
    assert clock.waits == []
    assert len(server.bodies) == 1


def test_jitter_is_drawn_from_the_generator_passed_in(server: Server, clock: FakeClock) -> None:
    server.faults.extend([status(503)] * 3)
    model = HttpEmbedder(make_spec(card(server)), clock=clock, draw=np.random.default_rng(7).random)
    encode(model)
    draws = np.random.default_rng(7).random(3)
    assert clock.waits == [
        seconds * (1 - 0.5 * draw) for seconds, draw in zip([1, 2, 4], draws, strict=True)
    ]


@pytest.mark.parametrize("fault", [reset, half_a_body], ids=["reset", "half a body"])
def test_dropped_connections_are_repeated(server: Server, clock: FakeClock, fault: Any) -> None:
    server.faults.extend([fault] * 2)
    model = embedder(server, clock)
    np.testing.assert_allclose(encode(model), expected(TEXTS), atol=1e-6)
    assert model.usage.retries == 2


def test_slow_replies_time_out_and_are_repeated(server: Server, clock: FakeClock) -> None:
    server.faults.append(hang)
    model = embedder(server, clock, options={"timeout": 0.3})
    np.testing.assert_allclose(encode(model), expected(TEXTS), atol=1e-6)
    assert model.usage.retries == 1
    assert not server.gave_up


def test_a_gateways_error_page_is_repeated(server: Server, clock: FakeClock) -> None:
    server.faults.append(status(200, "<html>one moment"))
    np.testing.assert_allclose(encode(embedder(server, clock)), expected(TEXTS), atol=1e-6)


def test_many_threads_through_many_failures(server: Server, clock: FakeClock) -> None:
    texts = [f"document {number}" for number in range(200)]
    server.faults.extend([status(429, Retry_After="1"), status(500), reset, half_a_body] * 10)
    options = {"batch_size": 4, "concurrency": 8, "attempts": 100}
    model = embedder(server, clock, options=options, name="patient")
    warm = model.encode(texts[:1], role="document", instruction="")
    np.testing.assert_allclose(warm, expected(texts[:1]), atol=1e-6)
    np.testing.assert_allclose(encode(model, texts), expected(texts), atol=1e-6)
    assert model.usage.retries == 40
    assert model.usage.requests == 51 + 40


def test_tries_are_bounded(server: Server, clock: FakeClock) -> None:
    server.always = status(503)
    with pytest.raises(ModelError, match="answered 503: injected 503"):
        encode(embedder(server, clock, options={"attempts": 4}))
    assert len(server.bodies) == 4
    assert clock.waits == [1, 2, 4]


@pytest.mark.parametrize("code", [401, 402, 403, 404, 501])
def test_permanent_failures_are_told_at_once(server: Server, clock: FakeClock, code: int) -> None:
    server.always = status(code, {"error": {"message": "no such thing here"}})
    with pytest.raises(ModelError, match=f"answered {code}: no such thing here") as caught:
        encode(embedder(server, clock))
    assert caught.value.fix
    assert len(server.bodies) == 1


def test_an_empty_account_is_not_waited_for(server: Server, clock: FakeClock) -> None:
    server.always = status(
        429, {"error": {"message": "You exceeded", "code": "insufficient_quota"}}
    )
    with pytest.raises(ModelError, match="You exceeded") as caught:
        encode(embedder(server, clock))
    assert "credit" in caught.value.fix
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"error": {"message": "shape of OpenAI"}}, "shape of OpenAI"),
        ({"message": "shape of TEI", "code": 413}, "shape of TEI"),
        ({"error": "shape of Ollama"}, "shape of Ollama"),
        ({"detail": "shape of FastAPI"}, "shape of FastAPI"),
        ({"detail": [{"loc": ["body"]}]}, '[{"loc": ["body"]}]'),
        ("plain words", "plain words"),
        ("", "no reason given"),
        (["odd"], '["odd"]'),
    ],
)
def test_the_servers_own_words_reach_the_user(
    server: Server, clock: FakeClock, payload: Any, said: str
) -> None:
    server.always = status(404, payload)
    with pytest.raises(ModelError) as caught:
        encode(embedder(server, clock))
    assert caught.value.message.endswith(f"answered 404: {said}")


def test_redirects_are_not_followed(server: Server, clock: FakeClock) -> None:
    server.always = status(307, "", Location="http://elsewhere.example/v1/embeddings")
    with pytest.raises(ModelError, match=r"redirects to http://elsewhere\.example"):
        encode(embedder(server, clock))


def test_a_refused_batch_is_halved_until_it_is_taken(server: Server, clock: FakeClock) -> None:
    def at_most_three(handler: Any, body: dict[str, Any]) -> None:
        if len(body["input"]) > 3:
            handler.send(413, {"message": "batch size 10 > maximum allowed batch size 3"})
        else:
            changed(lambda reply: None)(handler, body)

    server.always = at_most_three
    np.testing.assert_allclose(encode(embedder(server, clock)), expected(TEXTS), atol=1e-6)


def test_a_500_is_repeated_once_and_then_halved(server: Server, clock: FakeClock) -> None:
    """LM Studio and llama.cpp answer 500 to more than they can take; here more than one text."""

    def one_at_a_time(handler: Any, body: dict[str, Any]) -> None:
        if len(body["input"]) > 1:
            handler.send(500, {"error": "llama_decode returned -1"})
        else:
            changed(lambda reply: None)(handler, body)

    server.always = one_at_a_time
    np.testing.assert_allclose(encode(embedder(server, clock)), expected(TEXTS), atol=1e-6)
    assert [len(body["input"]) for body in server.bodies[:4]] == [10, 10, 5, 5]
    assert clock.waits == [1]


@pytest.mark.parametrize("count", [2, 3, 10, 32])
def test_a_text_that_the_server_fails_on_is_named(
    server: Server, clock: FakeClock, count: int
) -> None:
    texts = [f"text number {number}" for number in range(count)]

    def not_the_first(handler: Any, body: dict[str, Any]) -> None:
        if texts[0] in body["input"]:
            handler.send(500, {"error": "input is too large to process"})
        else:
            changed(lambda reply: None)(handler, body)

    server.always = not_the_first
    with pytest.raises(ModelError, match="too large to process") as caught:
        encode(embedder(server, clock, options={"attempts": 8}), texts)
    assert f"{texts[0]!r}, {len(texts[0])} characters" in caught.value.message
    assert "options.tokenizer" in caught.value.fix


@pytest.mark.parametrize("count", [4, 10, 32])
def test_a_server_that_fails_on_everything_blames_no_text(
    server: Server, clock: FakeClock, count: int
) -> None:
    server.always = status(500)
    texts = [f"text number {number}" for number in range(count)]
    with pytest.raises(ModelError, match="requests in a row") as caught:
        encode(embedder(server, clock), texts)
    assert "text number" not in caught.value.message
    assert len(server.bodies) <= 2 * math.ceil(math.log2(count)) + 2


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_text_that_is_refused_is_named(server: Server, clock: FakeClock, code: int) -> None:
    def not_the_seventh(handler: Any, body: dict[str, Any]) -> None:
        if TEXTS[7] in body["input"]:
            handler.send(code, {"error": {"message": "maximum context length is 8192 tokens"}})
        else:
            changed(lambda reply: None)(handler, body)

    server.always = not_the_seventh
    with pytest.raises(ModelError, match="maximum context length") as caught:
        encode(embedder(server, clock))
    assert repr(TEXTS[7]) in caught.value.message
    assert "options.tokenizer" in caught.value.fix


def test_what_is_not_json_stops_after_three_tries(server: Server, clock: FakeClock) -> None:
    server.always = status(200, "<html>welcome")
    with pytest.raises(ModelError, match="not JSON"):
        encode(embedder(server, clock))
    assert len(server.bodies) == 3


def test_a_server_that_is_not_there(clock: FakeClock) -> None:
    with serving() as gone:
        url = gone.url
    model = embedder(Server(url=url), clock)
    with pytest.raises(ModelError, match="did not answer") as caught:
        encode(model)
    assert "base_url" in caught.value.fix
    assert clock.waits == [1, 2]


def let_threads_end() -> None:
    """Wait for the threads that `encode` leaves behind after a failure."""
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(20)


def test_after_a_failure_nothing_more_is_sent(server: Server, clock: FakeClock) -> None:
    server.always = status(404)
    model = embedder(server, clock, options={"batch_size": 1, "concurrency": 1})
    with pytest.raises(ModelError, match="answered 404"):
        model.encode(TEXTS, role="document", instruction="")
    let_threads_end()
    model.close()
    assert len(server.bodies) <= 2  # one may be on its way when the first fails


def test_a_failure_does_not_wait_for_replies_on_their_way(server: Server, clock: FakeClock) -> None:
    def answer(handler: Any, body: dict[str, Any]) -> None:
        (hang if body["input"] == ["one"] else status(404))(handler, body)

    server.always = answer
    model = embedder(server, clock, options={"batch_size": 1})
    with pytest.raises(ModelError, match="answered 404"):
        model.encode(["one", "two"], role="document", instruction="")
    assert not server.gave_up
    server.released.set()
    let_threads_end()
    model.close()


def test_a_failure_ends_the_waiting_of_others(server: Server) -> None:
    """One request waits for a long time to be repeated; then the other fails for good."""
    waiting = threading.Event()

    class RealWait(FakeClock):
        def wait(self, seconds: float, stop: threading.Event) -> None:
            waiting.set()
            self.waits.append(seconds if stop.wait(20) else math.inf)

    def refuse_then(handler: Any, body: dict[str, Any]) -> None:
        assert waiting.wait(20)
        handler.send(404, {"detail": "for good"})

    def answer(handler: Any, body: dict[str, Any]) -> None:
        if body["input"] == ["one"]:
            handler.send(429, {"detail": "busy"}, {"Retry-After": "500"})
        else:
            refuse_then(handler, body)

    server.always = answer
    clock = RealWait()
    model = embedder(server, clock, options={"batch_size": 1})
    with pytest.raises(ModelError, match="for good"):
        model.encode(["one", "two"], role="document", instruction="")
    let_threads_end()
    model.close()
    assert clock.waits == [500]
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda reply: reply["data"].__delitem__(9), "9 vectors for 10 texts"),
        (lambda reply: reply["data"].append(reply["data"][0]), "11 vectors for 10 texts"),
        (lambda reply: reply["data"][3].update(index=4), "numbered"),
        (lambda reply: reply["data"][3]["embedding"].__delitem__(0), "7 and 8 components"),
        (lambda reply: {"error": {"message": "loading"}}, "loading"),
        (lambda reply: [], "no list of vectors"),
    ],
)
def test_unusable_replies_stop_the_run(
    server: Server, clock: FakeClock, change: Any, said: str
) -> None:
    server.always = changed(change)
    with pytest.raises(ModelError) as caught:
        encode(embedder(server, clock))
    assert said in caught.value.message
    assert len(server.bodies) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e39, 0.0])
def test_vectors_that_are_none_are_refused_with_advice_for_a_server(
    server: Server, clock: FakeClock, value: float
) -> None:
    server.always = changed(lambda reply: reply["data"][3].update(embedding=[value] * DIMENSION))
    with pytest.raises(ModelError, match=r"not finite|zero vectors") as caught:
        encode_texts(embedder(server, clock), TEXTS, "document", "", None, SilentReporter())
    assert "the first for 'text number" in caught.value.message
    assert "server" in caught.value.fix
    assert "--dtype" not in caught.value.fix


def test_two_models_behind_one_name_are_noticed(server: Server, clock: FakeClock) -> None:
    def shorter(reply: dict[str, Any]) -> None:
        for item in reply["data"]:
            item["embedding"].pop()

    server.faults.append(changed(shorter))
    with pytest.raises(ModelError, match="vectors of 7 and 8 components"):
        encode(embedder(server, clock, options={"batch_size": 5}))
