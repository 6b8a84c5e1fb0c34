"""Every label of a board is a name that `compare` takes, and means the same entries there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from harness.compare.selection import EntryFilter, select_named
from harness.interop.exporting import export_entries
from harness.leaderboard.build import Sources, build_boards
from harness.leaderboard.rows import Board
from results.schema import Entry
from results.store import ResultStore
from tests.helpers.command_run import runner
from tests.helpers.stored_boards import Made, store_entry

MEMBERS = {"bright": ("biology", "pony")}
VARIANTS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "by one setting": [{"k1": 0.9}, {"k1": 1.2}],
    "by one that others lack": [{"k1": 0.9}, {"k1": 0.9, "mode": "bow"}],
    "by two settings": [{"a": {"x": "1, 2"}, "b": 1}, {"a": {"x": "1"}, "b": 2}],
    "by a list": [{"heads": [1, 2, 3]}, {"heads": [1, 2]}],
    "by a long text": [{"weights": "a" * 40}, {"weights": "b" * 40}],
    "by many settings": [{"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 3, "c": 4}],
    "by the ends of keys": [{"x": {"k": 1}, "y": {"k": 2}}, {"x": {"k": 2}, "y": {"k": 1}}],
    "by a line break": [{"mode": "a\nb"}, {"mode": "a b"}],
    "by nothing": [{"k1": 0.9}],
}


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """Return a store in which each model was measured on two tasks with two query sets."""
    store = ResultStore(tmp_path / "rebench-results")
    for model, identities in VARIANTS.items():
        for identity in identities:
            for query_set in ("original", "gpt4"):
                for task in ("biology", "pony"):
                    spaces = {**identity, "spaces": {"query": f"instruction of {task}"}}
                    made = Made(identity=spaces, query_set=query_set)
                    store_entry(store, model, task, [0.2, 0.4, 0.6], made)
    for k in (50, 100):
        store_entry(store, "by depth", "biology", [0.1, 0.2, 0.3], Made(k=k))
    for task, depth in (("biology", 70), ("pony", 80)):
        made = Made(identity={"external_run": task}, k=depth)
        store_entry(store, "a run from elsewhere", task, [0.1, 0.2, 0.3], made)
    return store


def hashes(entries: Iterable[Entry]) -> set[str]:
    return {entry.identity_hash for entry in entries}


def boards_of(store: ResultStore) -> tuple[Board, ...]:
    return build_boards(Sources(store.entries().entries, (), (), MEMBERS, {}))


def test_every_label_means_the_same_entries_in_a_comparison(store: ResultStore) -> None:
    entries = store.entries().entries
    labels = set()
    for board in boards_of(store):
        only = EntryFilter(MEMBERS, query_set=board.query_set)
        for row in board.rows:
            (system,) = select_named(entries, [row.name], only).systems
            assert hashes(system.entries.values()) == hashes(row.entries), row.name
            labels.add(row.name)
    assert {"by one setting (k1=0.9)", "by one that others lack (mode=–)"} <= labels
    assert "by depth (k=50)" in labels


def test_a_hash_in_a_label_needs_no_query_set(store: ResultStore) -> None:
    entries = store.entries().entries
    hashed = [row for board in boards_of(store) for row in board.rows if "#" in row.name]
    assert len(hashed) == 16
    for row in hashed:
        (system,) = select_named(entries, [row.name], EntryFilter(MEMBERS)).systems
        assert hashes(system.entries.values()) == hashes(row.entries)


def test_labels_on_the_command_line(
    store: ResultStore, capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rebench = runner(capsys, monkeypatch, tmp_path)
    board = next(
        each
        for each in rebench("leaderboard", "--measured", "--format", "json").json
        if each["query_set"] == "gpt4"
    )
    first, *others = [row["label"] for row in board["rows"]]
    done = rebench("compare", first, *others, "--query-set", "gpt4", "--json")
    assert done.code == 0, done.err
    assert [system["label"] for system in done.json["systems"]] == [first, *others]


def test_an_exported_revision_begins_with_the_hash_of_the_label(
    store: ResultStore, tmp_path: Path
) -> None:
    done = export_entries(store.entries().entries, store, "mteb", tmp_path / "mteb")
    revisions = {path.path.parent.name for path in done.files}
    for board in boards_of(store):
        if board.query_set == "original":
            for row in board.rows:
                _, mark, digits = row.name.rpartition("#")
                assert not mark or any(each.startswith(f"rebench-{digits}") for each in revisions)
