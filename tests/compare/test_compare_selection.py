"""Which entries a name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.compare.selection import EntryFilter, select_all, select_named
from harness.core.errors import BadInput, NotComparable, UnknownName
from harness.data.registry import group_members
from results.systems import all_systems
from tests.helpers.measured_store import make_task, measure, store_at

WANTED = EntryFilter({"bright": group_members("bright")})
OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
GOLD = {f"q{at}": [f"gold-{at}"] for at in range(8)}


def test_newest_entry_stands_for_a_task(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    measure(store, "a", make_task(revision="old", gold={**GOLD, "q0": ["x"]}), [1] * 8, created=OLD)
    newest = measure(store, "a", make_task(), [2] * 8, created=NEW)
    measure(store, "b", make_task(), [3] * 8)
    found = select_named(store.entries().entries, ["a", "b"], WANTED)
    assert found.systems[0].entries == {"biology": newest}


def test_several_variants_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    measure(store, "a", make_task(), [1] * 8, identity={"max_length": 256})
    measure(store, "a", make_task(), [2] * 8, identity={"max_length": 512})
    entries = store.entries().entries
    with pytest.raises(BadInput, match="2 variants") as caught:
        select_named(entries, ["a"], WANTED)
    labels = [system.label for system in all_systems(entries)]
    for label in labels:
        assert label in caught.value.message
    assert "max_length=256" in caught.value.message
    pair = select_named(entries, labels, WANTED).systems
    assert [system.label for system in pair] == labels
    assert len({system.entries["biology"].identity_hash for system in pair}) == 2


def test_query_sets_are_variants_unless_one_is_asked_for(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for query_set in ("original", "gpt4"):
        measure(store, "a", make_task(query_set=query_set), [1] * 8)
    entries = store.entries().entries
    with pytest.raises(BadInput, match="query_set=gpt4") as caught:
        select_named(entries, ["a"], WANTED)
    assert "--query-set" in caught.value.fix
    (system,) = select_named(entries, ["a"], EntryFilter(WANTED.groups, query_set="gpt4")).systems
    assert system.query_set == "gpt4"


def test_runs_that_came_from_elsewhere_are_one_variant_over_tasks(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    measure(store, "a", make_task("pony"), [1] * 8, identity={"external_run": "1"}, k=100)
    measure(store, "a", make_task("aops"), [1] * 8, identity={"external_run": "2"}, k=90)
    (system,) = select_named(store.entries().entries, ["a"], WANTED).systems
    assert list(system.entries) == ["pony", "aops"]


def test_the_group_that_is_shared_most_in_its_own_order(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for model in "ab":
        for name in ("pony", "biology", "economics"):
            measure(store, model, make_task(name), [1] * 8)
        measure(store, model, make_task("mine", group="beir"), [1] * 8)
    measure(store, "a", make_task("aops"), [1] * 8)
    entries = store.entries().entries
    found = select_named(entries, ["a", "b"], WANTED)
    assert found.tasks == ("biology", "economics", "pony")
    assert found.notes == ("a: aops left out, which not all were measured on",)
    assert select_named(entries, ["a", "b"], EntryFilter({}, ("mine",))).tasks == ("mine",)


def test_no_shared_task_says_what_each_has(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    measure(store, "a", make_task("pony"), [1] * 8)
    measure(store, "b", make_task("aops"), [1] * 8)
    with pytest.raises(NotComparable, match="a has pony; b has aops"):
        select_named(store.entries().entries, ["a", "b"], WANTED)


def test_unknown_models_get_the_nearest_names(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    measure(store, "reasonir-8b", make_task(), [1] * 8)
    entries = store.entries().entries
    with pytest.raises(UnknownName, match="reasonir-8b") as caught:
        select_named(entries, ["reasonir8b"], WANTED)
    assert "Did you mean reasonir-8b?" in caught.value.fix
    with pytest.raises(UnknownName, match="None is measured"):
        select_named((), ["a"], WANTED)
    with pytest.raises(BadInput, match="named twice"):
        select_named(entries, ["reasonir-8b", "reasonir-8b"], WANTED)
    with pytest.raises(BadInput, match="has no entry on pony"):
        select_named(entries, ["reasonir-8b"], EntryFilter({}, ("pony",)))
    with pytest.raises(BadInput) as caught:
        select_named(entries, ["reasonir-8b#zz"], WANTED)
    assert caught.value.message == "'reasonir-8b#zz' is no variant that was measured"


def test_all_systems_are_those_on_the_ground_most_share_best_first(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    for rank, model in ((3, "a"), (1, "b"), (2, "c")):
        for name in ("pony", "biology"):
            measure(store, model, make_task(name), [rank] * 8)
    measure(store, "d", make_task("pony"), [1] * 8)
    measure(store, "c", make_task("pony", query_set="gpt4"), [1] * 8)
    found = select_all(store.entries().entries, WANTED)
    assert [system.label for system in found.systems] == ["b", "c", "a"]
    assert found.tasks == ("biology", "pony")
    assert "c#" in found.notes[0]
    assert "d#" in found.notes[0]
    with pytest.raises(BadInput, match="no measured entry"):
        select_all((), WANTED)


@pytest.mark.parametrize("first", ["r2med-biology", "biology"])
def test_related_tasks_that_do_not_compare_say_why(tmp_path: Path, first: str) -> None:
    store = store_at(tmp_path)
    second = {"r2med-biology": "biology", "biology": "r2med-biology"}[first]
    measure(store, "a", make_task(first), [1] * 8)
    measure(store, "b", make_task(second), [1] * 8)
    with pytest.raises(NotComparable) as caught:
        select_named(store.entries().entries, ["a", "b"], WANTED)
    assert "R2MED's Biology has BRIGHT's older judgements" in caught.value.message
