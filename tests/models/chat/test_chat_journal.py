"""The journal: read back whatever was written, used up to a torn end, refused where damaged."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.checksums import without_checksum
from harness.core.errors import BadInput, StoreError
from models.chat.journal import Journal, TokenTotals, read_records, reply_of
from models.chat.protocol import (
    ChatReply,
    ChatRequest,
    Message,
    Sampling,
    request_json,
    user_request,
)
from models.chat.thinking import without_surrogates

SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=10)


def pair(text: str, answer: str = "yes", tokens: tuple[int, int] = (3, 4)):
    request = user_request("m", text, SAMPLING, 1)
    return request, ChatReply(request.key, answer, "stop", *tokens)


replies = st.builds(
    ChatReply,
    key=st.just(""),
    text=st.text(st.characters(), max_size=40),
    finish=st.sampled_from(["stop", "length", "context_overflow"]),
    prompt_tokens=st.integers(0, 10**9),
    reply_tokens=st.integers(0, 10**9),
    estimated=st.booleans(),
)


@given(st.lists(st.tuples(st.text(max_size=20), replies), max_size=6, unique_by=lambda i: i[0]))
def test_what_is_appended_is_read_back_by_another_process_too(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    kept = []
    with Journal(path) as journal:
        for text, reply in items:
            request = user_request("m", text, SAMPLING, 1)
            own = replace(reply, key=request.key)
            journal.append(request, own)
            # Half a surrogate pair would break whoever writes the text: it is read as U+FFFD.
            kept.append(replace(own, text=without_surrogates(own.text)))
        assert [journal.read(reply.key) for reply in kept] == kept
    with Journal(path) as again:
        assert [again.read(reply.key) for reply in kept] == kept
        assert again.totals == TokenTotals(
            len(kept), sum(r.prompt_tokens for r in kept), sum(r.reply_tokens for r in kept)
        )
    assert [reply_of(record) for _, record in read_records(path)] == kept


def test_a_torn_last_line_is_cut_off_and_written_again(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    first, second = pair("one"), pair("two")
    with Journal(path) as journal:
        journal.append(*first)
        whole = path.stat().st_size
        journal.append(*second)
    size = path.stat().st_size
    data = path.read_bytes()
    for cut in (whole, whole + 1, *range(whole + 2, size - 2, 23), size - 2, size - 1):
        path.write_bytes(data[:cut])
        with Journal(path) as journal:
            assert len(journal) == 1
            assert first[1].key in journal
            assert second[1].key not in journal
            journal.append(*second)
        assert path.read_bytes() == data


def test_a_damaged_line_before_the_last_is_named(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(*pair("one"))
        journal.append(*pair("two"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0][:50] + b"\n" + lines[1])
    with pytest.raises(BadInput, match=r"journal\.jsonl, line 1: not a record"):
        Journal(path)
    with pytest.raises(BadInput, match=r"journal\.jsonl, line 1: not a record"):
        list(read_records(path))


def test_it_holds_no_more_than_request_and_reply(tmp_path: Path):
    request, reply = pair("one", "three\u2028lines \ud800")
    with Journal(tmp_path / "j") as journal:
        journal.append(request, reply)
    data = (tmp_path / "j").read_bytes()
    assert data.isascii()
    assert data.count(b"\n") == 1
    assert without_checksum(json.loads(data)) == {
        "key": request.key,
        "tokens": [3, 4],
        "estimated": False,
        "request": request_json(request),
        "reply": {"text": "three\u2028lines \ud800", "finish": "stop"},
    }


def test_two_processes_cannot_share_one(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from models.chat.journal import Journal\n"
        "from harness.core.errors import StoreError\n"
        "try: Journal(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error.message)"
    )
    with Journal(tmp_path / "j"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "j")],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "is in use by another process" in done.stdout
    Journal(tmp_path / "j").close()


def test_a_full_disk_keeps_what_is_there(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Journal(path) as journal:
            journal.append(*pair("one"))
            size = path.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, before[1]))
            with pytest.raises(StoreError, match=r"(?s)cannot write .*every reply so far is kept"):
                journal.append(*pair("two"))
            assert path.stat().st_size == size
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            journal.append(*pair("two"))
            assert journal.read(pair("two")[1].key).text == "yes"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_errors_and_repeats_are_not_kept(tmp_path: Path):
    request, reply = pair("one")
    with Journal(tmp_path / "j") as journal:
        with pytest.raises(ValueError, match="not to be kept"):
            journal.append(request, replace(reply, error="gone"))
        journal.append(request, reply)
        with pytest.raises(ValueError, match="not to be kept"):
            journal.append(request, reply)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Journal(tmp_path / "file" / "journal.jsonl")


def test_the_key_changes_with_each_part_of_a_request():
    base = user_request("m", "text", SAMPLING, 1)
    others = [
        replace(base, model="n"),
        replace(base, seed=2),
        replace(base, messages=(Message("system", "text"),)),
        replace(base, messages=(Message("user", "texts"),)),
        replace(base, messages=(*base.messages, Message("user", "text"))),
        *(
            replace(base, sampling=replace(SAMPLING, **change))
            for change in (
                {"temperature": 0.6},
                {"top_p": 0.8},
                {"max_tokens": 11},
                {"top_k": 5},
                {"repetition_penalty": 1.1},
                {"choices": ("Yes",)},
                {"pattern": "a"},
            )
        ),
    ]
    keys = {base.key, *(request.key for request in others)}
    assert len(keys) == len(others) + 1
    assert ChatRequest("m", (Message("user", "text"),), SAMPLING, 1).key == base.key


def test_the_key_is_the_hash_of_the_canonical_request():
    """Worked out apart from the code: a change of its form would orphan every journal."""
    import hashlib

    request = user_request("m", "é", Sampling(0.7, 0.95, 16, top_k=40), 42)
    text = (
        '{"messages":[{"content":"é","role":"user"}],"model":"m",'
        '"sampling":{"max_tokens":16,"temperature":0.7,"top_k":40,"top_p":0.95},"seed":42}'
    )
    assert request.key == hashlib.sha256(text.encode()).hexdigest()


def test_a_flipped_byte_of_a_line_is_named_and_the_advice_repairs_it(tmp_path: Path):
    path = tmp_path / "j"
    pairs = [pair(f"q{number}", f"reply {number}") for number in range(3)]
    with Journal(path) as journal:
        for request, reply in pairs:
            journal.append(request, reply)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"reply 1", b"reply 7"))
    for read in (lambda: Journal(path), lambda: list(read_records(path))):
        with pytest.raises(BadInput, match="line 2") as caught:
            read()
        assert "checksum" in caught.value.message
    lines = whole.splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with Journal(path) as journal:
        assert len(journal) == 2
        journal.append(*pairs[1])
        assert journal.read(pairs[1][1].key) == pairs[1][1]


def test_lines_of_an_earlier_release_are_read(tmp_path: Path):
    path, (request, reply) = tmp_path / "j", pair("one", "a reply")
    with Journal(path) as journal:
        journal.append(request, reply)
    record = without_checksum(json.loads(path.read_bytes()))
    path.write_text(json.dumps(record) + "\n")
    with Journal(path) as journal:
        assert journal.read(reply.key) == reply
