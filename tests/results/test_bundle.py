"""A bundle's file: equal bytes, one form, and nothing that a hostile one can do."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.checksums import with_checksum, without_checksum
from harness.core.errors import StoreError
from results import bundle as bundles
from results.bundle import Bundle, RefusedBundle, make_bundle, pack, read_bundle, unpack
from results.bundle_frame import Member, deflated, framed, stored
from results.schema import NewerSchema
from tests.helpers.bundle_cases import damaged, sample_bundle

COUNT = int(os.environ.get("REBENCH_BUNDLES", "100"))
"""How many bundles are tampered with; `make test-faults` asks for 1,000."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return sample_bundle(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def data(sample: Bundle) -> bytes:
    return pack(sample)


def remade(data: bytes, **changes: Any) -> bytes:
    """Return a bundle whose manifest says other things, under a right checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    manifest = without_checksum(json.loads(texts.pop("manifest.json")))
    files = {**manifest["files"]}
    for name, facts in changes.pop("files", {}).items():
        files[name] = {**files.get(name, {}), **facts}
    whole = with_checksum({**manifest, "files": files, **changes})
    first = stored("manifest.json", (json.dumps(whole, indent=1) + "\n").encode())
    return framed([first, *(deflated(name, text) for name, text in texts.items())])


def test_equal_entries_have_equal_bytes_and_any_zip_tool_reads_them(sample: Bundle, data: bytes):
    twin = make_bundle(replace(sample.entry, files=None), dict(sample.per_query), sample.run_text)
    assert pack(twin) == data
    assert unpack(data, "f") == sample
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "entry.json", "per_query.json", "run.trec"]
        assert archive.read("run.trec").decode() == sample.run_text
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_bundle_holds_no_texts(data: bytes):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not any(b"word word" in archive.read(name) for name in archive.namelist())


def test_every_bundle_that_was_tampered_with_is_refused(data: bytes):
    rng = random.Random(20261201)
    for number in range(COUNT):
        with pytest.raises(RefusedBundle):
            pytest.fail(f"taken, number {number}: {unpack(damaged(data, rng), 'f')}")


@settings(max_examples=COUNT, deadline=None)
@given(st.data())
def test_any_change_of_a_single_byte_is_refused(data: bytes, draw: st.DataObject):
    at = draw.draw(st.integers(0, len(data) - 1))
    value = draw.draw(st.integers(0, 255).filter(lambda each: each != data[at]))
    with pytest.raises(RefusedBundle):
        unpack(data[:at] + bytes([value]) + data[at + 1 :], "f")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_bytes_make_the_reader_fail_otherwise(data: bytes, tail: bytes, start: int):
    with pytest.raises(RefusedBundle):
        unpack(data[:start] + tail, "f")


NAMES = st.sampled_from(
    ["../entry.json", "/etc/passwd", "entry.json", "C:\\x", "a/../../b", "manifest.json", "x" * 300]
)


@settings(max_examples=60, deadline=None)
@given(extra=st.lists(st.tuples(NAMES, st.binary(max_size=50)), min_size=1, max_size=6))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_with_other_members_are_refused(data: bytes, extra: list[tuple[str, bytes]]):
    """Paths, duplicate names and members behind ours: by the standard library's writer."""
    for mode, start in (("a", data), ("w", b"")):
        raw = io.BytesIO(start)
        with zipfile.ZipFile(raw, mode) as archive:  # type: ignore[call-overload]
            for name, content in extra:
                archive.writestr(name, content)
        with pytest.raises(RefusedBundle):
            unpack(raw.getvalue(), "f")


@pytest.mark.parametrize(
    "facts",
    [
        {"bytes": 1 << 40}, {"bytes": -1}, {"bytes": 5}, {"packed_bytes": 1 << 62},
        {"packed_bytes": -100}, {"bytes": True}, {"sha256": "0" * 64}, {"packed_sha256": 7},
    ],
)  # fmt: skip
def test_sizes_and_hashes_that_lie_are_refused(data: bytes, facts: dict[str, Any]):
    with pytest.raises(RefusedBundle):
        unpack(remade(data, files={"run.trec": facts}), "f")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 0}, {"kind": "other"}, {"judgements": "0" * 64}, {"model": "other"},
        {"note": "more"}, {"versions": {"torch": "1"}}, {"lineage": {"external_run": "x"}},
        {"files": {"../x": {"bytes": 1}}},
    ],
)  # fmt: skip
def test_a_manifest_says_what_the_entry_says_or_is_refused(data: bytes, changes: dict[str, Any]):
    with pytest.raises(RefusedBundle):
        unpack(remade(data, **changes), "f")


def test_a_later_format_asks_for_an_upgrade(data: bytes):
    with pytest.raises(NewerSchema, match="format 2, this release reads up to 1"):
        unpack(remade(data, format=2), "f")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(data: bytes, monkeypatch: pytest.MonkeyPatch):
    bomb = deflated("run.trec", b"\0" * (8 << 20))
    facts = {
        "bytes": bomb.size, "packed_bytes": len(bomb.packed), "sha256": bomb.sha256,
        "packed_sha256": bundles._sha256(bomb.packed),
    }  # fmt: skip
    unpacked: list[int] = []
    monkeypatch.setattr(bundles, "inflated", lambda packed, size: unpacked.append(size))
    with pytest.raises(RefusedBundle, match="more than 100 times"):
        unpack(remade(data, files={"run.trec": facts}), "f")
    assert unpacked == []


def test_a_stream_that_holds_more_than_it_says_is_cut_off(data: bytes):
    longer = deflated("run.trec", b"\0" * (8 << 20))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        others = [deflated(name, archive.read(name)) for name in archive.namelist()[1:3]]
    facts = {
        "bytes": 100, "packed_bytes": len(longer.packed),
        "packed_sha256": bundles._sha256(longer.packed),
    }  # fmt: skip
    size = int.from_bytes(data[18:22], "little")
    manifest = without_checksum(json.loads(data[43 : 43 + size]))
    manifest["files"]["run.trec"] |= facts
    text = (json.dumps(with_checksum(manifest), indent=1) + "\n").encode()
    with pytest.raises(RefusedBundle, match="does not unpack to what"):
        unpack(framed([stored("manifest.json", text), *others, longer]), "f")


def hostile(sample: Bundle, text: str) -> bytes:
    """Return an archive whose manifest is a text of somebody's choice."""
    return framed([stored("manifest.json", text.encode()), Member("x", b"", 0, 0, "", 0)])


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", "1" * 5_000, '{"kind": NaN}', '"\\ud800"', ""]
)
def test_json_beyond_all_measure_is_refused(sample: Bundle, text: str):
    with pytest.raises(RefusedBundle):
        unpack(hostile(sample, text), "f")


@pytest.mark.parametrize(
    "name", ["\x1b[2Jx", "a\nb", " x", "x" * 116, "\u202ex", "\u2028"]
)  # fmt: skip
def test_names_that_mislead_cannot_be_bundled(sample: Bundle, name: str):
    with pytest.raises(StoreError, match="cannot be a name"):
        pack(make_bundle(replace(sample.entry, model=name), sample.per_query, sample.run_text))


@pytest.mark.parametrize("fingerprint", ["../../secret", "x", "a/b:" + "0" * 64, "0" * 63])
def test_a_fingerprint_cannot_be_a_path(sample: Bundle, fingerprint: str):
    task = replace(sample.entry.task, fingerprint=fingerprint)
    with pytest.raises(StoreError, match="is no fingerprint"):
        pack(make_bundle(replace(sample.entry, task=task), sample.per_query, sample.run_text))


def test_marks_of_an_import_cannot_be_bundled(sample: Bundle):
    for changes in ({"identity": {"result": 2}}, {"facts": {"bundle": "x"}}):
        entry = replace(sample.entry, **changes)
        with pytest.raises(StoreError, match="only an import sets"):
            pack(make_bundle(entry, sample.per_query, sample.run_text))


def test_links_folders_and_devices_are_not_read(tmp_path: Path, data: bytes):
    (tmp_path / "real.bundle.zip").write_bytes(data)
    (tmp_path / "link.bundle.zip").symlink_to(tmp_path / "real.bundle.zip")
    assert read_bundle(tmp_path / "real.bundle.zip").entry.model == "org/m"
    for name, problem in (("link.bundle.zip", "is a link"), ("gone", "not there"), ("", "not a")):
        with pytest.raises(RefusedBundle, match=problem):
            read_bundle(tmp_path / name)
