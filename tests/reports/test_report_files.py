"""A report on disk: text, data and figures, and every number of the text in the data."""

from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.comparison import compare
from harness.compare.differences import ComparisonSettings
from harness.compare.reproduce import reproduce
from harness.compare.selection import EntryFilter, select_named
from harness.compare.task_context import TaskContextLoader
from harness.core.errors import StoreError
from harness.core.progress import SilentReporter
from harness.data.local_tasks import DataLocations
from harness.data.registry import group_members
from harness.derived import EntryReader
from harness.leaderboard.rows import ModelFacts
from harness.reports.headroom import lost_by_system
from harness.reports.report_data import Report, facts_of
from harness.reports.text import report_text
from harness.reports.write import write_report
from harness.search.bm25 import bm25
from results.published import read_published
from tests.helpers.measured_store import make_task, measure, some_ranks, store_at
from tests.helpers.published_tables import published_head
from tests.helpers.report_numbers import allowed, strange_numbers

WANTED = EntryFilter({"bright": group_members("bright")})
PUBLISHED = (
    published_head(["biology", "pony", "aops"])
    + """
[[row]]
model = "a"
kind = "dense"
values = [50.0, 12.3, 45.6]
"""
)
TASKS = {"biology": 31, "pony": 24, "aops": 17}
ODD = "a|b <b>$x$</b> `c` [d](e)"


def make_report(
    folder: Path, names: list[str], *, texts: bool = False, tasks: Mapping[str, int] = TASKS
) -> Report:
    """Measure systems on tasks and compare them, all that a report can hold included."""
    store = store_at(folder)
    for task_name, size in tasks.items():
        task = make_task(task_name, size)
        for at, name in enumerate(names):
            ranks = some_ranks(size, seed=7 * at + size, best=1 + at)
            documents = {"encoded": 900, "texts_per_second": 40.5 * (at + 1), "read_tokens": 7_013}
            asked = {"encoded": 9, "reused": 2 * at, "read_tokens": 310 * (at + 1)}
            facts = {"documents": documents, "queries": asked}
            measure(store, name, task, ranks, facts=facts)
        measure(store, "bm25", task, some_ranks(size, 5), identity=bm25().identity(task))
    entries = store.entries().entries
    selection = select_named(entries, names, WANTED)
    plan = ComparisonSettings(pairs="first", resamples=500, changes=2)
    found = compare(
        selection, "", plan, TaskContextLoader(store, entries, DataLocations(), SilentReporter())
    )
    path = folder / "published.toml"
    path.write_text(PUBLISHED, encoding="utf-8")
    known = {name: ModelFacts(parameters=33_000_000 * (at + 1)) for at, name in enumerate(names)}
    reproductions = tuple(
        reproduce(system, read_published(path), store, plan, "ndcg@10")
        for system in found.systems
        if system.label == "a"
    )
    return Report(
        comparison=found,
        reproductions=reproductions,
        facts={system.label: facts_of(system, known) for system in found.systems},
        command=("rebench", "report", *names, "-o", "out"),
        version="0.1.0",
        texts=texts,
        lost=lost_by_system(found, EntryReader(store)),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a written report on two systems."""
    folder = tmp_path_factory.mktemp("report")
    write_report(make_report(folder, ["a", "b"]), folder / "missing" / "deeper")
    return folder / "missing" / "deeper"


def test_all_files_are_there_in_folders_that_were_missing(written: Path) -> None:
    figures = {f"{n}.{s}" for n in (
                   "tasks", "differences", "intensity", "headroom", "cost", "quality")
               for s in ("png", "svg")}  # fmt: skip
    assert {path.name for path in (written / "figures").iterdir()} == figures
    text = (written / "report.md").read_text(encoding="utf-8")
    for name in figures:
        assert f"(figures/{name})" in text


def test_figures_are_sound_and_of_readable_size(written: Path) -> None:
    for path in (written / "figures").glob("*.png"):
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", data[16:24])
        assert 500 <= width <= 1600, path
        assert 150 <= height <= 1200, path
        assert len(data) < 150_000
    for path in (written / "figures").glob("*.svg"):
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "<dc:date>" not in path.read_text(encoding="utf-8")


def test_the_same_entries_give_the_same_bytes(tmp_path: Path, written: Path) -> None:
    write_report(make_report(tmp_path, ["a", "b"]), tmp_path / "again")
    for path in written.rglob("*"):
        if path.is_file():
            other = tmp_path / "again" / path.relative_to(written)
            assert other.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("names", [["a", "b"], ["a"], ["a", "b", "c", "d", "e"], ["b", ODD]])
def test_every_number_of_the_text_is_in_the_data(tmp_path: Path, names: list[str]) -> None:
    text, data, *_ = write_report(make_report(tmp_path, names), tmp_path / "out.md")
    value = json.loads(data.read_text(encoding="utf-8"))
    told = text.read_text(encoding="utf-8")
    assert len(re.findall(r"\d", told)) > 100
    assert strange_numbers(told, value) == []


def test_a_wrong_number_would_be_found(written: Path) -> None:
    value = json.loads((written / "report.json").read_text(encoding="utf-8"))
    assert "37.91" not in allowed(value)
    assert strange_numbers("A mean of 37.91 points.", value) == ["37.91"]


def test_names_full_of_markup_are_shown_as_text(tmp_path: Path) -> None:
    path, *_ = write_report(make_report(tmp_path, ["b", ODD]), tmp_path / "named.md")
    text = path.read_text(encoding="utf-8")
    prose, _, commands = text.partition("```")
    assert "<b>" not in prose
    assert "<b>" in commands  # a fenced block shows it as it is
    for line in text.splitlines():
        if line.startswith("| biology"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (12, 7, 9, 8)
    assert (tmp_path / "named-figures" / "differences.svg").is_file()


def test_one_system_has_no_differences(tmp_path: Path) -> None:
    path, *rest = write_report(make_report(tmp_path, ["a"]), tmp_path / "one")
    assert "## Differences" not in path.read_text(encoding="utf-8")
    assert not any(other.name.startswith("differences") for other in rest)


def test_a_task_with_a_single_query_has_a_report_without_intervals(tmp_path: Path) -> None:
    report = make_report(tmp_path, ["a", "b"], tasks={"biology": 1})
    assert all(mean.interval is None for mean in report.comparison.means)
    path, *rest = write_report(report, tmp_path / "one")
    assert "## Quality and cost" in path.read_text(encoding="utf-8")
    assert any(other.name == "quality.svg" for other in rest)


def test_a_report_has_no_heading_without_content(tmp_path: Path) -> None:
    """One query is one bin of intensity, known or not; equal rankings have no changes."""
    report = make_report(tmp_path, ["a", "b"], tasks={"biology": 1})
    same = replace(report, comparison=replace(report.comparison, changes=()))
    text = report_text(same, (), "figures")
    assert "## Largest changes" not in text
    assert "## Where the difference lives" not in text
    assert "or all queries stand in one bin" in text
    assert re.search(r"^## .*\n\n## ", text, re.MULTILINE) is None
    assert "## Largest changes" in report_text(make_report(tmp_path / "b", ["a", "b"]), (), "f")


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="file"):
        write_report(make_report(tmp_path, ["a", "b"]), tmp_path / "file" / "below")


def test_lost_points_add_up_and_follow_from_the_runs(written: Path) -> None:
    data = json.loads((written / "report.json").read_text(encoding="utf-8"))
    means = {(each["system"], each["task"]): each["mean"] for each in data["comparison"]["means"]}
    assert set(data["lost"]) == {"a", "b"}
    for name, each in data["lost"].items():
        assert each["ndcg"] == pytest.approx(means[name, ""])
        assert each["ndcg"] + each["ranked_low"] + each["not_retrieved"] == pytest.approx(1)
        assert min(each["ranked_low"], each["not_retrieved"]) >= 0
    text = (written / "report.md").read_text(encoding="utf-8")
    assert "## Where points go" in text
