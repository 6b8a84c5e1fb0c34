"""The store: what is saved comes back, damage is named, and others may write at the same time."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.core.checksums import with_checksum
from harness.core.errors import StoreError
from results.per_query import one_metric
from results.schema import SCHEMA, Entry, NewerSchema
from results.store import ORPHAN_SECONDS, ResultStore, safe_name
from tests.helpers.sample_entries import ENTRY, PER_QUERY, TASK, check_whole, version

RUN = "q1 Q0 d 1 1.5 bm25\nq2 Q0 Memory Management_5_0.txt 1 1.25 bm25\n"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "measured")


def test_what_is_saved_comes_back(store: ResultStore) -> None:
    stored = store.save(ENTRY, PER_QUERY, RUN)
    assert replace(stored, files=None) == ENTRY
    assert store.find("bm25", "biology", ENTRY.identity_hash) == stored
    assert store.entries().entries == (stored,)
    assert store.per_query(stored) == PER_QUERY
    assert store.run_text(stored) == RUN
    assert gzip.decompress(store.run_path(stored).read_bytes()).decode() == RUN
    folder = store.root / "bm25" / "biology" / f"original-{ENTRY.identity_hash[:12]}"
    assert store.folder(stored) == folder
    assert len(list(folder.iterdir())) == 3


@settings(max_examples=25, deadline=None)
@given(
    values=st.dictionaries(
        st.text(), st.dictionaries(st.text(), st.floats(0, 1), max_size=4), max_size=4
    )
)
def test_per_query_values_round_trip_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, dict[str, float]]
) -> None:
    store = ResultStore(tmp_path_factory.mktemp("store"))
    back = store.per_query(store.save(ENTRY, values, RUN))
    assert {m: {q: v.hex() for q, v in row.items()} for m, row in back.items()} == {
        m: {q: v.hex() for q, v in row.items()} for m, row in values.items()
    }


METRICS = st.sampled_from(["ndcg@10", "mrr", 'a"b', ',"mrr":{', "\\", "}"]) | st.text()


@settings(max_examples=60, deadline=None)
@given(
    values=st.dictionaries(
        METRICS, st.dictionaries(METRICS, st.floats(0, 1), max_size=4), min_size=1, max_size=5
    ),
    indent=st.sampled_from([None, 1]),
)
@example({'a"mrr': {'mrr":{': 0.5, ",": 0.25}, "mrr": {"q": 1.0}}, None)
def test_one_metric_is_read_as_all_are(
    values: dict[str, dict[str, float]], indent: int | None
) -> None:
    compact = json.dumps(values, indent=indent, separators=(",", ":"))
    for metric, row in values.items():
        assert one_metric(compact, metric, Path("file")) == row


@pytest.mark.parametrize("value", ['{"mrr":{"q":"1"}}', '{"mrr":{"q":NaN}}', '{"mrr":{"q":1', "{"])
def test_one_metric_of_a_damaged_file_is_refused(value: str) -> None:
    with pytest.raises(StoreError, match=r"here\.json"):
        one_metric(value, "mrr", Path("here.json"))


def test_a_metric_that_a_file_lacks_is_named(store: ResultStore) -> None:
    stored = store.save(ENTRY, PER_QUERY, RUN)
    assert store.values(stored, "mrr") == PER_QUERY["mrr"]
    with pytest.raises(StoreError, match="has no values of recall@1"):
        store.values(stored, "recall@1")


@settings(deadline=None)
@given(st.text(min_size=1))
@example(".hidden")
@example("ends in a dot.")
@example("..")
@example("file:abcd")
@example("a/b~c%2Fd")
def test_safe_names_are_reversible_and_safe(text: str) -> None:
    name = safe_name(text)
    assert unquote(name, errors="strict") == text
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>| \0')
    assert not name.startswith(".")
    assert not name.endswith(".")


@pytest.mark.parametrize("text", [".", "..", "...", "a/b", "../../x", "file:abcd", "-rf", "%2E"])
def test_odd_names_stay_inside_the_store(store: ResultStore, text: str) -> None:
    entry = replace(ENTRY, model=text, task=replace(TASK, name=text, query_set=text))
    stored = store.save(entry, PER_QUERY, RUN)
    assert store.run_path(stored).resolve().relative_to(store.root.resolve()).parts[:-1]
    assert len(store.folder(stored).relative_to(store.root).parts) == 3
    assert store.find(text, text, entry.identity_hash) == stored
    assert store.entries().entries == (stored,)


def test_find_knows_only_what_is_whole(store: ResultStore) -> None:
    assert store.find("bm25", "biology", ENTRY.identity_hash) is None
    stored = store.save(ENTRY, PER_QUERY, RUN)
    other = ENTRY.identity_hash[:12] + "0" * 52
    assert store.find("bm25", "biology", other) is None
    assert store.find("bm25-bow", "biology", ENTRY.identity_hash) is None
    assert store.find("bm25", "pony", ENTRY.identity_hash) is None
    store.run_path(stored).unlink()
    assert store.find("bm25", "biology", ENTRY.identity_hash) is None


def test_saving_again_replaces_and_leaves_nothing_over(store: ResultStore) -> None:
    first = store.save(*version(1))
    second = store.save(*version(2))
    assert check_whole(store) == 2
    assert store.folder(first) == store.folder(second)
    # Whoever has read the first entry goes on with it; an hour later its files are swept.
    assert len(list(store.folder(second).iterdir())) == 5
    for path in store.folder(second).iterdir():
        os.utime(path, (0, time.time() - ORPHAN_SECONDS - 60))
    store.check_writable()
    assert len(list(store.folder(second).iterdir())) == 3
    assert check_whole(store) == 2


def test_another_identity_is_another_folder(store: ResultStore) -> None:
    store.save(ENTRY, PER_QUERY, RUN)
    store.save(replace(ENTRY, k=10), PER_QUERY, RUN)
    assert len(store.entries().entries) == 2


def test_orphans_are_swept_once_old_and_only_ours(store: ResultStore) -> None:
    folder = store.folder(store.save(*version(1)))
    names = ["run-0-0.trec.gz", "per_query-0-0.json.gz", ".entry.json.0.part", "notes.txt"]
    for name in names:
        (folder / name).write_text("left over")
    store.save(*version(2))
    assert all((folder / name).exists() for name in names)
    for path in folder.iterdir():
        then = path.stat().st_mtime - ORPHAN_SECONDS - 60
        os.utime(path, (then, then))
    store.save(*version(3))
    assert check_whole(store) == 3
    assert [name for name in names if (folder / name).exists()] == ["notes.txt"]


def test_a_clock_days_ahead_of_the_disk_removes_nothing_that_counts(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + 10 * ORPHAN_SECONDS
    monkeypatch.setattr("results.store.time.time", lambda: ahead)
    store.save(*version(1))
    assert check_whole(store) == 1


def drop_run(folder: Path) -> None:
    next(folder.glob("run-*")).unlink()


def drop_values(folder: Path) -> None:
    next(folder.glob("per_query-*")).unlink()


def cut(folder: Path) -> None:
    text = (folder / "entry.json").read_bytes()
    (folder / "entry.json").write_bytes(text[: len(text) // 2])


def empty(folder: Path) -> None:
    (folder / "entry.json").write_bytes(b"")


def binary(folder: Path) -> None:
    (folder / "entry.json").write_bytes(b"\x00\xff\xfe")


def digits(folder: Path) -> None:
    (folder / "entry.json").write_text("9" * 5000)


def nested(folder: Path) -> None:
    (folder / "entry.json").write_text("[" * 200_000)


def edited(folder: Path) -> None:
    value = json.loads((folder / "entry.json").read_text())
    value["identity"]["k1"] = 1.2
    (folder / "entry.json").write_text(json.dumps(value))


def is_folder(folder: Path) -> None:
    (folder / "entry.json").unlink()
    (folder / "entry.json").mkdir()


DAMAGE = [drop_run, drop_values, cut, empty, binary, digits, nested, edited, is_folder]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_named_and_the_others_stand(
    store: ResultStore, damage: Callable[[Path], None]
) -> None:
    sound = store.save(replace(ENTRY, model="sound"), PER_QUERY, RUN)
    folder = store.folder(store.save(ENTRY, PER_QUERY, RUN))
    damage(folder)
    loaded = store.entries()
    assert loaded.entries == (sound,)
    (problem,) = loaded.problems
    assert str(folder / "entry.json") in problem.message
    assert "easure again" in problem.fix
    assert store.find("bm25", "biology", ENTRY.identity_hash) is None


@pytest.mark.parametrize("damage", [d for d in DAMAGE if d is not is_folder])
def test_measuring_again_mends_a_damaged_entry(
    store: ResultStore, damage: Callable[[Path], None]
) -> None:
    damage(store.folder(store.save(*version(1))))
    store.save(*version(2))
    assert check_whole(store) == 2


def test_an_entry_of_a_later_release_is_reported_and_never_overwritten(store: ResultStore) -> None:
    path = store.folder(store.save(ENTRY, PER_QUERY, RUN)) / "entry.json"
    text = json.dumps(with_checksum({**json.loads(path.read_text()), "schema": SCHEMA + 1}))
    path.write_text(text)
    before = sorted(path.parent.iterdir())
    with pytest.raises(NewerSchema):
        store.find("bm25", "biology", ENTRY.identity_hash)
    with pytest.raises(NewerSchema):
        store.save(ENTRY, PER_QUERY, RUN)
    assert isinstance(store.entries().problems[0], NewerSchema)
    assert path.read_text() == text
    assert sorted(path.parent.iterdir()) == before


def test_a_folder_moved_by_hand_is_a_problem(store: ResultStore) -> None:
    folder = store.folder(store.save(ENTRY, PER_QUERY, RUN))
    shutil.move(folder, folder.with_name("original-000000000000"))
    loaded = store.entries()
    assert loaded.entries == ()
    assert "holds the entry of" in loaded.problems[0].message


def test_swapped_or_broken_files_are_not_believed(store: ResultStore) -> None:
    stored = store.save(ENTRY, PER_QUERY, RUN)
    store.run_path(stored).write_bytes(gzip.compress(b"q1 Q0 other 1 9 x\n"))
    with pytest.raises(StoreError, match="do not have the hash"):
        store.run_text(stored)
    assert stored.files is not None
    path = store.folder(stored) / stored.files.per_query
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match="cannot be read to its end"):
        store.per_query(stored)


@pytest.mark.parametrize("value", [[], {"mrr": 1}, {"mrr": {"q1": "1"}}, {"mrr": {"q1": True}}])
def test_per_query_files_of_the_wrong_shape(store: ResultStore, value: object) -> None:
    stored = store.save(ENTRY, value, RUN)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="per_query-"):
        store.per_query(stored)


@pytest.mark.parametrize(
    "entry", [replace(ENTRY, metrics={"mrr": float("nan")}), replace(ENTRY, facts={"x": 1j})]
)
def test_what_is_no_json_is_refused_before_anything_is_written(
    store: ResultStore, entry: Entry
) -> None:
    with pytest.raises((ValueError, TypeError)):
        store.save(entry, PER_QUERY, RUN)
    assert not store.root.exists()


def test_what_could_not_be_read_back_is_refused_before_anything_is_written(
    store: ResultStore,
) -> None:
    with pytest.raises(StoreError, match="'created'"):
        store.save(replace(ENTRY, created="now"), PER_QUERY, RUN)
    assert not store.root.exists()


def test_unstored_entries_have_no_files(store: ResultStore) -> None:
    for ask in (store.run_path, store.run_text, store.per_query):
        with pytest.raises(ValueError, match="not been stored"):
            ask(ENTRY)


def test_an_absent_root_holds_nothing(store: ResultStore) -> None:
    assert store.entries().entries == ()
    assert store.entries().problems == ()
    assert not store.root.exists()


def test_check_writable_leaves_nothing(store: ResultStore) -> None:
    store.check_writable()
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/rebench-results"])
def test_a_root_that_cannot_be_written(tmp_path: Path, where: str) -> None:
    """Tests may run as root, whom permissions do not stop: a file and /proc stop anybody."""
    if where.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("this system has no /proc")
    (tmp_path / "file").write_text("I am no folder")
    store = ResultStore(tmp_path / where)
    with pytest.raises(StoreError, match="cannot write") as caught:
        store.check_writable()
    assert "choose another" in caught.value.fix
    with pytest.raises(StoreError, match="cannot write"):
        store.save(ENTRY, PER_QUERY, RUN)


def test_a_root_that_is_a_file_holds_no_entries(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(StoreError, match="is not a folder"):
        ResultStore(tmp_path / "file").entries()


def test_several_writers_and_a_reader_at_once(store: ResultStore) -> None:
    store.save(*version(0))

    def save_some(start: int) -> None:
        for number in range(start, start + 15):
            store.save(*version(number))

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(save_some, 100 * writer) for writer in range(4)]
        while not all(writer.done() for writer in writers):
            assert store.entries().problems == ()
            assert store.find("bm25", "biology", ENTRY.identity_hash) is not None
    for writer in writers:
        writer.result()
    assert check_whole(store) in {14, 114, 214, 314}


def test_writers_of_equal_results_do_not_remove_each_others_files(store: ResultStore) -> None:
    """The trap of names made of content alone: one writer clears away what another is to name."""
    with ThreadPoolExecutor(4) as pool:
        saved = [pool.submit(store.save, *version(number % 2)) for number in range(80)]
        while not all(one.done() for one in saved):
            assert store.entries().problems == ()
    for one in saved:
        one.result()
    check_whole(store)
