"""Systems: which entries belong together, and the names they are found by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.hashing import sha256_json
from results import systems
from results.schema import Entry
from results.systems import all_systems, configuration_hash, labels_of, split_name, systems_named
from tests.helpers.sample_entries import ENTRY

settings_values = st.one_of(
    st.integers(-9, 9), st.booleans(), st.text(max_size=6), st.lists(st.integers(0, 3), max_size=3)
)
settings_tables = st.dictionaries(
    st.text("abk", min_size=1, max_size=2),
    st.one_of(settings_values, st.dictionaries(st.text("xk", min_size=1), settings_values)),
    max_size=3,
)


def entry_with(identity: dict, **changes: object) -> Entry:
    return replace(ENTRY, model="m", identity=identity, **changes)  # type: ignore[arg-type]


@given(st.lists(settings_tables, min_size=1, max_size=4))
def test_each_label_finds_its_own_entry(identities: list[dict]) -> None:
    by_hash = {configuration_hash(e): e for e in map(entry_with, identities)}
    entries = list(by_hash.values())
    for label, entry in zip(labels_of("m", entries), entries, strict=True):
        (system,) = systems_named(label, entries)
        assert list(system.entries.values()) == [entry]
    for system in all_systems(entries):
        assert systems_named(system.name, entries) == (system,)


def test_configurations_that_share_digits_get_longer_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [entry_with({"setting": at}) for at in range(3)]
    table = {sha256_json(systems.configuration(e)): f"{'0' * 8}{at}{'f' * 55}"
             for at, e in enumerate(entries)}  # fmt: skip
    monkeypatch.setattr(systems, "sha256_json", lambda value: table[sha256_json(value)])
    assert [each.name for each in all_systems(entries)] == [
        "m#000000000",
        "m#000000001",
        "m#000000002",
    ]
    assert len(systems_named("m#000000", entries)) == 3
    assert len(systems_named("m#000000001", entries)) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m", ("m", "")),
        ("m#1f", ("m", "#1f")),
        ("m (k=3)", ("m", " (k=3)")),
        ("a (b)", ("a (b)", "")),
        ("a (b) (k=3)", ("a (b)", " (k=3)")),
        ("c#d", ("c#d", "")),
        ("c#d#1f", ("c#d", "#1f")),
        ("n#1f", ("n#1f", "")),
        ("m (k=3", ("m (k=3", "")),
    ],
)
def test_names_are_split_at_the_longest_model(name: str, expected: tuple[str, str]) -> None:
    assert split_name(name, ["m", "a (b)", "c#d"]) == expected


def test_a_setting_that_does_not_hold_finds_nothing() -> None:
    entries = [entry_with({"a": 1}), entry_with({"a": 2})]
    for name in ("m (a=3)", "m (b=1)", "m (a=–)", "m ()", "m (a=1, b=2)", "m#zz"):
        assert systems_named(name, entries) == ()
    assert len(systems_named("m (b=–)", entries)) == 2
