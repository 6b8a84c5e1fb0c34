"""A journal that outgrows its file: sealed, found again, damaged, killed while sealing."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from models.chat.journal import Journal, read_records, record_line
from models.chat.journal_segments import segment_files
from models.chat.protocol import ChatReply, ChatRequest, Sampling, user_request
from models.chat.replay import ReplayModel

SAMPLING = Sampling(0.7, 0.95, 64)
SEAL = 4000


def request(number: int) -> ChatRequest:
    return user_request("m", f"question {number} " + "about locks " * 20, SAMPLING, 3)


def reply(number: int, text: str = "") -> ChatReply:
    return ChatReply(request(number).key, text or f"answer {number}", "stop", 7, number)


def filled(path: Path, count: int, seal: int = SEAL) -> None:
    with Journal(path, seal) as journal:
        for number in range(count):
            journal.append(request(number), reply(number))


def test_everything_is_found_in_segments_and_in_the_file(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    filled(path, 60)
    assert len(segment_files(path)) > 3
    assert path.stat().st_size <= SEAL + 1000
    with Journal(path, SEAL) as journal:
        assert len(journal) == 60
        assert [journal.read(request(n).key) for n in range(60)] == [reply(n) for n in range(60)]
        assert request(60).key not in journal
        assert (journal.totals.replies, journal.totals.reply_tokens) == (60, sum(range(60)))
        with pytest.raises(ValueError, match="not to be kept"):
            journal.append(request(3), reply(3))
        with pytest.raises(KeyError):
            journal.read(request(99).key)


def test_a_segment_is_what_zcat_shows(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    filled(path, 60)
    lines = b"".join(gzip.decompress(each.read_bytes()) for each in segment_files(path))
    assert lines + path.read_bytes() == b"".join(
        record_line(request(n), reply(n)) for n in range(60)
    )
    assert [record["reply"]["text"] for _, record in read_records(path)] == [
        f"answer {n}" for n in range(60)
    ]
    model = ReplayModel(path)
    (found,) = model.replies(iter([(request(5).key, request(5))]))
    assert found == reply(5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=30))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    with Journal(path, 2000) as journal:
        for number, text in enumerate(texts):
            journal.append(request(number), reply(number, text))
    with Journal(path, 2000) as journal:
        assert [journal.read(request(n).key).text for n in range(len(texts))] == texts


def test_a_lost_or_damaged_index_is_made_again(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    filled(path, 60)
    indexes = sorted(tmp_path.glob("*.idx"))
    whole = [each.read_bytes() for each in indexes]
    indexes[0].unlink()
    indexes[1].write_bytes(whole[1][:-30] + b"x" + whole[1][-29:])
    indexes[2].write_bytes(b"")
    with Journal(path, SEAL) as journal:
        assert [journal.read(request(n).key) for n in range(60)] == [reply(n) for n in range(60)]
    assert [each.read_bytes() for each in indexes] == whole


def read_all(journal: Journal) -> None:
    for number in range(60):
        assert journal.read(request(number).key) == reply(number)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_byte_of_a_segment_is_named_and_the_advice_helps(tmp_path: Path, place: float):
    path = tmp_path / "journal.jsonl"
    filled(path, 60)
    segment = segment_files(path)[1]
    data = bytearray(segment.read_bytes())
    data[int(place * len(data))] ^= 4
    segment.write_bytes(bytes(data))
    with Journal(path, SEAL) as journal, pytest.raises(BadInput, match=segment.name) as caught:
        read_all(journal)
    assert "remove it and its .idx" in caught.value.fix
    segment.unlink()
    segment.with_name(segment.name.replace(".jsonl.gz", ".idx")).unlink()
    with Journal(path, SEAL) as journal:
        lost = [n for n in range(60) if request(n).key not in journal]
        assert 0 < len(lost) < 30
        for number in lost:
            journal.append(request(number), reply(number))
    with Journal(path, SEAL) as journal:
        assert [journal.read(request(n).key) for n in range(60)] == [reply(n) for n in range(60)]


def test_a_segment_cut_short_is_named(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    filled(path, 60)
    segment = segment_files(path)[0]
    segment.write_bytes(segment.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"is damaged: it is cut short"):
        Journal(path, SEAL)


def test_a_kill_between_sealing_and_emptying_loses_and_doubles_nothing(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    filled(path, 9, 1 << 20)
    before = path.read_bytes()
    assert not segment_files(path)
    with Journal(path, 100) as journal:
        journal.append(request(9), reply(9))
    assert path.read_bytes() == b""
    path.write_bytes(before + record_line(request(9), reply(9)))
    with Journal(path, SEAL) as journal:
        assert (len(journal), journal.totals.replies) == (10, 10)
        assert [journal.read(request(n).key) for n in range(10)] == [reply(n) for n in range(10)]
    assert path.read_bytes() == b""


@pytest.mark.parametrize("old", [True, False])
def test_a_flipped_byte_of_a_line_is_seen_if_it_has_a_checksum(tmp_path: Path, old: bool):
    path = tmp_path / "journal.jsonl"
    filled(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    if old:
        lines = [line[: line.rindex(b', "checksum"')] + b"}\n" for line in lines]
    path.write_bytes(b"".join(lines).replace(b"answer 1", b"answer 7"))
    if old:
        with Journal(path) as journal:
            assert journal.read(request(1).key).text == "answer 7"
        return
    with pytest.raises(BadInput, match=r"journal.jsonl, line 2: its contents do not have"):
        Journal(path)
    with pytest.raises(BadInput, match=r"journal.jsonl, line 2"):
        list(read_records(path))
    path.write_bytes(lines[0] + lines[2])
    with Journal(path) as journal:
        assert len(journal) == 2


def test_every_single_bit_of_a_line_is_guarded(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    line = record_line(request(1), reply(1))
    for place in range(len(line) - 1):
        damaged = bytearray(line)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(damaged) + line)
        try:
            with Journal(path) as journal:
                texts = {journal.read(request(1).key).text}
        except BadInput:
            texts = {"answer 1"}
        assert texts == {"answer 1"}, place


def test_a_large_file_of_an_earlier_version_is_sealed(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    filled(path, 9, 1 << 20)
    old = [line[: line.rindex(b', "checksum"')] + b"}\n" for line in path.open("rb")]
    path.write_bytes(b"".join(old))
    copy = tmp_path / "copy.jsonl"
    shutil.copy(path, copy)
    with Journal(path, 100) as journal:
        journal.append(request(9), reply(9))
        assert [journal.read(request(n).key) for n in range(10)] == [reply(n) for n in range(10)]
    assert len(segment_files(path)) == 1
    assert [json.loads(line)["key"] for line in copy.open()] == [request(n).key for n in range(9)]
