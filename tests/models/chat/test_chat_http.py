"""The HTTP client against a server in which everything that can go wrong does."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from harness.core.retry import RetryPolicy
from harness.core.secrets import Secret
from models.chat.dispatch import Dispatcher
from models.chat.http import ChatServerOptions, HttpChat, request_body
from models.chat.journal import Journal
from models.chat.protocol import CONTEXT_OVERFLOW, LENGTH, Sampling, user_request
from tests.helpers.chat_server import ChatServer, Fault, completion, http_chat, rule

SAMPLING = Sampling(0.7, 0.95, 64, top_k=40, repetition_penalty=1.1, choices=("Yes", "No"))


def ask(chat: HttpChat, texts: list[str]) -> list:
    requests = [user_request(chat.name, text, SAMPLING, 3) for text in texts]
    got = {reply.key: reply for reply in chat.replies((r.key, r) for r in requests)}
    return [got[request.key] for request in requests]


def test_replies_come_back_with_their_tokens(server: ChatServer):
    texts = [f"question {n}" for n in range(40)]
    replies = ask(http_chat(server.url), texts)
    assert [reply.text for reply in replies] == [rule(text) for text in texts]
    assert all((reply.prompt_tokens, reply.estimated) == (7, False) for reply in replies)
    assert set(server.answered.values()) == {1}
    assert 1 < server.most_at_once <= 8


def test_what_is_sent(server: ChatServer):
    ask(http_chat(server.url), ["hello é"])
    assert server.bodies == [
        {
            "model": "test-model",
            "messages": [{"role": "user", "content": "hello é"}],
            "temperature": 0.7,
            "top_p": 0.95,
            "seed": 3,
            "max_tokens": 64,
            "top_k": 40,
            "repetition_penalty": 1.1,
            "chat_template_kwargs": {"enable_thinking": False},
            "structured_outputs": {"choice": ["Yes", "No"]},
        }
    ]
    theirs = request_body(user_request("m", "x", SAMPLING, 3), "sglang")
    assert (theirs["regex"], theirs["top_k"]) == ("(Yes|No)", 40)
    assert "structured_outputs" not in theirs
    scored = Sampling(0.7, 0.95, 64, pattern="<score>[1-5]</score>")
    theirs = request_body(user_request("m", "x", scored, 3), "sglang")
    assert theirs["regex"] == "<score>[1-5]</score>"
    standard = request_body(user_request("m", "x", SAMPLING, 3), "openai")
    assert sorted(standard) == [
        "max_completion_tokens", "messages", "model", "seed", "temperature", "top_p",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 429, {"Retry-After": "0.01"}),
        Fault("status", 429, {"Retry-After": "soon"}),
        Fault("status", 500),
        Fault("status", 503),
        Fault("status", 408),
        Fault("hang"),
        Fault("drip"),
        Fault("close"),
        Fault("half"),
        Fault("short"),
        Fault("body", body=""),
        Fault("body", body="<html>busy</html>"),
        Fault("body", body="[]"),
        Fault("body", body='"text"'),
        Fault("body", body='{"choices": []}'),
        Fault("body", body='{"choices": [{}]}'),
        Fault("body", body='{"choices": [{"message": null}]}'),
        Fault("body", body='{"choices": [{"message": {"content": 3}}]}'),
        Fault("body", body='{"choices": [{"message": {"content": "x"}}], "usage": 3}'),
    ],
    ids=lambda fault: f"{fault.kind}{fault.status or ''}{fault.body[:12]}",
)
def test_passing_trouble_is_asked_again(server: ChatServer, fault: Fault):
    server.fault = lambda prompt, seed, number: fault if number == 1 else None
    texts = [f"question {n}" for n in range(3)]
    assert [reply.text for reply in ask(http_chat(server.url), texts)] == list(map(rule, texts))
    assert set(server.asked.values()) == {2}


@pytest.mark.parametrize(
    "fault", [Fault("status", 500), Fault("half"), Fault("body", body="{}"), Fault("close")]
)
def test_lasting_trouble_is_given_up_with_its_reason(server: ChatServer, fault: Fault):
    server.fault = lambda prompt, seed, number: fault if prompt == "bad" else None
    good, bad = ask(http_chat(server.url), ["good", "bad"])
    assert not good.error
    assert bad.error.startswith("after 4 tries: ")
    if fault.kind == "status":
        assert "answered 500" in bad.error
    assert server.asked["bad", 3] >= 4


def test_a_server_that_is_not_there_is_given_up():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        (reply,) = ask(http_chat(url), ["x"])
    assert "after 3 tries: did not answer: ConnectError" in reply.error


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_everything_stops_at_once(server: ChatServer, status: int):
    server.fault = lambda prompt, seed, number: Fault("status", status, body="no sk-secret here")
    chat = HttpChat(server.url, "m", ChatServerOptions(concurrency=2), Secret("sk-secret"))
    with pytest.raises(ModelError, match=rf"answered {status}: no \[key\] here"):
        ask(chat, ["a", "b", "c"])


def test_a_refusal_of_one_request_is_given_up_at_once(server: ChatServer):
    fault = Fault("status", 400, body='{"error": "content policy"}')
    server.fault = lambda prompt, seed, number: fault if prompt == "bad" else None
    good, bad = ask(http_chat(server.url), ["good", "bad"])
    assert not good.error
    assert "content policy" in bad.error
    assert "--llm-dialect openai" in bad.error
    assert server.asked["bad", 3] == 1


def test_an_overflow_of_the_context_is_a_final_reply(server: ChatServer):
    said = '{"error": {"message": "This model\'s maximum context length is 512 tokens"}}'
    server.fault = lambda prompt, seed, number: Fault("status", 400, body=said)
    (reply,) = ask(http_chat(server.url), ["long"])
    assert (reply.finish, reply.error, reply.text) == (CONTEXT_OVERFLOW, "", "")


def test_a_reply_without_counts_is_estimated_and_one_cut_off_is_marked(server: ChatServer):
    value = json.loads(completion("abcdefghi", finish="length"))
    del value["usage"]
    server.fault = lambda prompt, seed, number: Fault("body", body=json.dumps(value))
    (reply,) = ask(http_chat(server.url), ["12345"])
    assert (reply.finish, reply.prompt_tokens, reply.reply_tokens) == (LENGTH, 2, 3)
    assert reply.estimated


def test_an_empty_content_is_an_empty_reply(server: ChatServer):
    value = json.loads(completion("x"))
    value["choices"][0]["message"]["content"] = None
    server.fault = lambda prompt, seed, number: Fault("body", body=json.dumps(value))
    (reply,) = ask(http_chat(server.url), ["x"])
    assert (reply.text, reply.error) == ("", "")


def test_connections_are_kept_open_and_opened_anew(server: ChatServer):
    server.fault = lambda prompt, seed, number: Fault(
        "body", body=completion("x"), headers={"Connection": "close"}
    )
    replies = ask(http_chat(server.url, concurrency=1), ["a", "b", "c"])
    assert [reply.text for reply in replies] == ["x", "x", "x"]


def test_replies_in_pieces_are_put_together(server: ChatServer):
    server.fault = lambda prompt, seed, number: Fault("chunked")
    texts = ["a", "b", "c"]
    replies = ask(http_chat(server.url, concurrency=1), texts)
    assert [reply.text for reply in replies] == list(map(rule, texts))
    assert set(server.asked.values()) == {1}


def test_the_key_is_in_the_header_and_nowhere_else(server: ChatServer, tmp_path: Path):
    chat = HttpChat(server.url, "m", ChatServerOptions(), Secret("sk-secret-value"))
    with Journal(tmp_path / "journal.jsonl") as journal:
        dispatcher = Dispatcher(chat, journal, SilentReporter())
        list(dispatcher.replies_in_order([user_request("m", "x", SAMPLING, 1)]))
    assert server.headers[0]["Authorization"] == "Bearer sk-secret-value"
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret" not in written
    assert b"Bearer" not in written
    assert b"127.0.0.1" not in written


def test_closing_stops_the_workers(server: ChatServer):
    server.delay = 0.02
    chat = http_chat(server.url, concurrency=2)
    requests = [user_request("m", f"t{n}", SAMPLING, 1) for n in range(100)]
    stream = chat.replies((request.key, request) for request in requests)
    next(stream)
    stream.close()
    time.sleep(0.15)
    assert sum(server.asked.values()) <= 6


def test_closing_ends_the_waits_too(server: ChatServer):
    server.fault = lambda prompt, seed, number: Fault("status", 500) if prompt == "bad" else None
    chat = http_chat(server.url, concurrency=2, retry=RetryPolicy(1000, 0.03, 0.03))
    requests = [user_request("m", text, SAMPLING, 1) for text in ("bad", "good")]
    stream = chat.replies((request.key, request) for request in requests)
    assert next(stream).text == rule("good")
    stream.close()
    time.sleep(0.1)
    asked = server.asked["bad", 1]
    time.sleep(0.2)
    assert server.asked["bad", 1] == asked


@pytest.mark.parametrize(
    "url",
    [
        "host:8000", "ftp://host/v1", "http:///v1", "http://host:nan/v1", "http://h:0/v1",
        "http://name:word@host/v1", "http://host/v1?key=1", "",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_used(url: str):
    with pytest.raises(BadInput) as caught:
        HttpChat(url, "m", ChatServerOptions())
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "wrong", [{"dialect": "x"}, {"concurrency": 0}, {"retry": RetryPolicy(0)}, {"timeout": 0.0}]
)
def test_options_that_make_no_sense(wrong: dict):
    with pytest.raises(BadInput):
        ChatServerOptions(**wrong)


def answered_with(server: ChatServer, **changes: object) -> None:
    value = json.loads(completion("Half a sent"))
    value["choices"][0].update(changes)
    server.fault = lambda prompt, seed, number: Fault("body", body=json.dumps(value))


def test_another_end_than_its_own_is_kept_by_its_name(server: ChatServer, tmp_path: Path):
    answered_with(server, finish_reason="content_filter")
    (reply,) = ask(http_chat(server.url), ["x"])
    assert reply.finish == "content_filter"
    with Journal(tmp_path / "journal.jsonl") as journal:
        dispatcher = Dispatcher(http_chat(server.url), journal, SilentReporter())
        with pytest.raises(ModelError, match="content_filter 3"):
            dispatcher.stage_replies(
                "x", 1, lambda n, a: user_request("m", "x", SAMPLING, a), lambda n, r: r.text
            )


def test_content_in_parts_is_joined_without_its_thinking(server: ChatServer):
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "A whole "},
        {"type": "text", "text": "sentence."},
    ]
    answered_with(server, message={"content": parts})
    (reply,) = ask(http_chat(server.url), ["x"])
    assert (reply.text, reply.finish) == ("A whole sentence.", "stop")


@pytest.mark.parametrize(
    "body",
    ['data: {"choices": []}\n\n', 'event: message\ndata: {}\n\n',
     '{"choices": [{"message": {"content": [{"type": "image_url"}]}}]}'],
)  # fmt: skip
def test_streams_and_parts_without_text_are_said_at_once(server: ChatServer, body: str):
    server.fault = lambda prompt, seed, number: Fault("body", body=body)
    with pytest.raises(ModelError, match=r"streams its reply|no text"):
        ask(http_chat(server.url, concurrency=1), ["x"])
    assert sum(server.asked.values()) == 1


def test_half_a_surrogate_pair_never_reaches_the_journal(server: ChatServer, tmp_path: Path):
    body = completion("MARK").replace("MARK", "a \\ud835 b")
    server.fault = lambda prompt, seed, number: Fault("body", body=body)
    with Journal(tmp_path / "journal.jsonl") as journal:
        dispatcher = Dispatcher(http_chat(server.url), journal, SilentReporter())
        request = user_request("test-model", "x \ud835", SAMPLING, 1)
        (reply,) = dispatcher.replies_in_order([request])
        assert reply.text == "a \ufffd b"
        assert journal.read(request.key).text == "a \ufffd b"
    assert server.bodies[0]["messages"][0]["content"] == "x \ufffd"


@pytest.mark.parametrize(("status", "counted"), [(400, True), (500, True), (404, False)])
def test_llama_cpps_words_for_a_long_prompt(server: ChatServer, status: int, counted: bool):
    said = '{"error": {"message": "the request exceeds the available context size"}}'
    server.fault = lambda prompt, seed, number: Fault("status", status, body=said)
    if counted:
        (reply,) = ask(http_chat(server.url), ["long"])
        assert (reply.finish, reply.error) == (CONTEXT_OVERFLOW, "")
        assert sum(server.asked.values()) == 1
    else:
        with pytest.raises(ModelError):
            ask(http_chat(server.url), ["long"])
