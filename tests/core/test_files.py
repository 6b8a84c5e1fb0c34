"""Readers that name file and line, and writes that are whole or not at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, StoreError
from harness.core.files import (
    open_text,
    read_json,
    read_jsonl,
    read_lines,
    write_atomic,
    write_text,
)


def test_truncated_gzip_is_bad_input(tmp_path: Path):
    whole = gzip.compress(b'{"a": 1}\n' * 5000)
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"rows\.jsonl\.gz cannot be read to its end"):
        list(read_jsonl(path))


def test_something_that_is_no_gzip_is_bad_input(tmp_path: Path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(b'{"a": 1}\n')
    with pytest.raises(BadInput, match="cannot be read to its end"):
        list(read_jsonl(path))


def test_malformed_line_is_named_by_file_and_number(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": \n', encoding="utf-8")
    with pytest.raises(BadInput, match=r"rows\.jsonl, line 3: not JSON"):
        list(read_jsonl(path))


def test_a_line_that_is_no_object_is_refused(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 1: expected an object, found list"):
        list(read_jsonl(path))


def test_absent_and_foreign_files_are_bad_input(tmp_path: Path):
    with pytest.raises(BadInput, match="no such file"):
        read_json(tmp_path / "absent.json")
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(BadInput, match="is not UTF-8"):
        read_json(latin)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n", codec="utf-8"))))
def test_lines_end_at_newlines_only(tmp_path_factory: pytest.TempPathFactory, lines: list[str]):
    r"""A lone `\r`, U+2028 or form feed inside a line must not split it."""
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    expected = [line.removesuffix("\r") for line in lines]
    assert [line for _, line in read_lines(path)] == expected


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_written_text_reads_back_and_leaves_no_part_behind(tmp_path: Path, name: str):
    path = tmp_path / "deep" / name
    write_text(path, "ä\nb\r\n")
    with open_text(path) as handle:
        assert handle.read() == "ä\nb\r\n"
    assert [each.name for each in path.parent.iterdir()] == [name]


def test_gzip_output_does_not_depend_on_the_clock(tmp_path: Path):
    write_text(tmp_path / "a.gz", json.dumps(list(range(99))))
    write_text(tmp_path / "b.gz", json.dumps(list(range(99))))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert int.from_bytes((tmp_path / "a.gz").read_bytes()[4:8], "little") == 0


def test_a_folder_that_is_a_file_is_a_store_error(tmp_path: Path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write"):
        write_atomic(tmp_path / "file" / "below", b"x")
