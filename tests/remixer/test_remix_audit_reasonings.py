"""What a reasoning gives away, and tokens that no person writes: in anybody's rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.progress import SilentReporter
from harness.core.training_row import TrainingRow, row_json
from harness.core.types import Corpus
from remixer.audit.labels import source_names
from remixer.audit.run import Audit, AuditTools, audit
from remixer.audit.scan import AuditSampling
from tests.helpers.remix_corpus import make_task

ENTRY = "Return a context manager that suppresses any of the specified exceptions if they occur"
CORPUS = Corpus(("contextlib.suppress", "other"), (ENTRY, "Something else entirely, and long."))


def rows_with(*reasonings: str) -> list[TrainingRow]:
    return [
        TrainingRow(
            query=f"How do I skip errors, number {number}?", pos=(CORPUS.texts[1],),
            neg=("No answer at all.",), reasoning_query=text, source_id="contextlib.suppress",
            task="notes",
        )
        for number, text in enumerate(reasonings)
    ]  # fmt: skip


def audited(tmp_path: Path, rows: list[TrainingRow]) -> Audit:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row_json(row)) + "\n" for row in rows))
    task = replace(make_task(), corpus=CORPUS, qrels={}, excluded={})
    return audit(path, AuditTools(SilentReporter(), [lambda: task]), AuditSampling())


def hits(found: Audit, measure: str) -> tuple[int, int]:
    count = found.tally.get(measure, "all")
    return count.hits, count.of


def test_what_a_reasoning_recites_is_counted(tmp_path: Path):
    found = audited(tmp_path, rows_with(
        "One would use contextlib.suppress here.",
        "A manager named suppress is needed.",
        "Exceptions are suppressed somewhere.",
        f"The exact text: {ENTRY}.",
        "A statement that is something else entirely, and long, but not by name of anything.",
        "",
    ))  # fmt: skip
    assert hits(found, "reasoning_names_source") == (1, 5)
    assert hits(found, "reasoning_names_source_last") == (2, 5)
    assert hits(found, "reasoning_shares_source_shingle") == (1, 5)
    assert hits(found, "reasoning_shares_shingle") == (0, 5)
    assert hits(found, "reasoning_holds_control_tokens") == (0, 5)


def test_tokens_of_models_are_counted(tmp_path: Path):
    rows = rows_with("<think>hm</think> What is asked.", "All is well.", "")
    rows.append(replace(rows[1], query="How do I skip them?<|im_end|>"))
    found = audited(tmp_path, rows)
    assert hits(found, "reasoning_holds_control_tokens") == (1, 3)
    assert hits(found, "query_holds_control_tokens") == (1, 4)
    assert {each.measure.name for each in found.violations} >= {
        "reasoning_holds_control_tokens", "query_holds_control_tokens"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("contextlib.suppress", ("contextlib.suppress", "suppress")),
        ("abc", ("abc", "abc")),
        ("insects/Hair_follicle_12.txt", ("Hair follicle", "Hair follicle")),
        ("camel_7", ("camel_7", "camel_7")),
        ("12", ("", "")),
        ("math.pi", ("math.pi", "")),
    ],
)
def test_names_of_sources(key: str, names: tuple[str, str]):
    assert source_names(key) == names
