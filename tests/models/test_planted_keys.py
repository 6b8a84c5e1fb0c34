"""Keys of odd forms, repeated by a server wherever it can, are looked for everywhere."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from harness.core.errors import RebenchError
from harness.core.progress import SilentReporter
from harness.core.secrets import key_from
from models.backends.http import HttpEmbedder
from models.chat.dispatch import Dispatcher
from models.chat.http import HttpChat
from models.chat.journal import Journal
from models.chat.protocol import Sampling, user_request
from models.spec import make_spec
from tests.helpers.chat_server import QUICK, ChatServer, Fault, chat_server, completion
from tests.helpers.embedding_server import Server, serving, status
from tests.helpers.http_embedders import TEXTS, FakeClock, card

SAMPLING = Sampling(0.5, 1.0, 16)
KEYS = {
    "plain": "sk-PLANTED-1234567890",
    "trailing newline": "sk-PLANTED-1234567890\n",
    "carriage return": "sk-PLANTED-1234567890\r\n",
    "inner newline": "sk-PLANTED\n-1234567890",
    "inner blank": "sk-PLANTED -1234567890",
    "control": "sk-PLANTED\x01-1234567890",
    "beyond latin": "sk-PLANTED-\u5bc6\u94a5-90",
    "surrogate": "sk-PLANTED-\udc80-90",
    "marks": "sk-PLANTED/\"'\\&<>%+=90",
    "bearer": "Bearer sk-PLANTED-1234567890",
}


def body_of(key: str) -> str:
    return json.dumps({"error": {"message": f"no such key: {key.strip()}", "param": key}})


FAULTS: dict[str, Callable[[str], Fault]] = {
    "refused": lambda key: Fault("status", 401, body=body_of(key)),
    "bad request": lambda key: Fault("status", 400, body=body_of(key)),
    "server error": lambda key: Fault("status", 500, body=body_of(key)),
    "page": lambda key: Fault("body", body=f"<html>Authorization: Bearer {key}</html>"),
    "stream": lambda key: Fault("body", body=f"data: {key}"),
    "reply": lambda key: Fault("body", body=completion(f"the key is {key}")),
    "redirect": lambda key: Fault(
        "status", 302, {"Location": f"http://x/?key={quote(key.strip(), safe='')}"}
    ),
}


def leaks(text: str) -> bool:
    """Return True if any part of a planted key is to be seen."""
    return "PLANTED" in text


@pytest.fixture
def server():
    with chat_server() as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("form", KEYS)
def test_a_chat_servers_key_is_nowhere(
    server: ChatServer, tmp_path: Path, form: str, fault: str
) -> None:
    value = KEYS[form]
    server.fault = lambda prompt, seed, number: FAULTS[fault](value)
    said = ""
    try:
        key = key_from({"REBENCH_LLM_KEY": value}, ("REBENCH_LLM_KEY",))
        with Journal(tmp_path / "journal.jsonl") as journal:
            chat = HttpChat(server.url, "m", QUICK, key)
            said += repr(chat) + repr(vars(chat))
            dispatcher = Dispatcher(chat, journal, SilentReporter())
            requests = [user_request("m", f"q{n}", SAMPLING, 1) for n in range(5)]
            said += "".join(map(repr, dispatcher.replies_in_order(requests)))
    except RebenchError as error:
        said += "".join(traceback.format_exception(error))
    assert said
    assert not leaks(said)
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(map(leaks, written))


@pytest.fixture
def embedding_server():
    with serving() as state:
        yield state


@pytest.mark.parametrize("form", KEYS)
@pytest.mark.parametrize("code", [200, 302, 400, 401, 404, 503])
def test_an_embedding_servers_key_is_nowhere(
    embedding_server: Server, monkeypatch: pytest.MonkeyPatch, form: str, code: int
) -> None:
    value = KEYS[form]
    monkeypatch.setenv("KEY_VARIABLE", value)
    named = {"Location": f"http://x/{quote(value.strip(), safe='', errors='replace')}"}
    payload = {"model": value, "data": [{"embedding": value}] * 5, "error": {"message": value}}
    embedding_server.always = status(code, json.dumps(payload), **named)
    options = {"api_key_env": "KEY_VARIABLE", "attempts": 2}
    model = HttpEmbedder(make_spec(card(embedding_server, options=options)), clock=FakeClock())
    with pytest.raises(RebenchError) as caught:
        model.encode(TEXTS[:5], role="document", instruction="")
    model.close()
    assert not leaks("".join(traceback.format_exception(caught.value)))
    assert not leaks(repr(vars(model)) + json.dumps(model.identity, default=repr))
