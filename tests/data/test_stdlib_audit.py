"""The audit of the stdlib judgements belongs to the gold that ships, and its tables are current."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.data.situations import read_judged, read_situations
from harness.data.stdlib.task import STDLIB, build_corpus

DOCS = Path(__file__).resolve().parents[2] / "docs" / "stdlib"
AUDIT = DOCS / "audit"
SITUATIONS = {each.id: each for each in read_situations(STDLIB.collection)}


def rows(name: str) -> list[dict]:
    """Return the objects of one file of the audit."""
    return [json.loads(line) for line in (AUDIT / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def settled() -> dict[tuple[str, str], dict]:
    """Return what was settled, by situation and document."""
    return {(row["id"], row["document"]): row for row in rows("settled.jsonl")}


def named(row: dict, prefix: str = "") -> dict[str, int]:
    """Return document -> grade of what a judge named."""
    answers, helps = row[f"{prefix}answers"], row[f"{prefix}helps"]
    return {**dict.fromkeys(helps, 1), **dict.fromkeys(answers, 2)}


def test_gold_1_is_what_its_audit_ended_with():
    audited = {
        row["id"]: set(row["final_gold"])
        for path in (AUDIT / "gold-1").glob("*.jsonl")
        for row in rows(f"gold-1/{path.name}")
    }
    assert audited == {each.id: set(each.gold_1) for each in SITUATIONS.values()}


def test_every_disagreement_was_settled_and_says_why(settled):
    documented = frozenset(build_corpus().ids)
    for row in rows("blind.jsonl"):
        first, blind = set(SITUATIONS[row["id"]].gold_1), named(row)
        outside = (named(row, "outside_").keys() - blind.keys()) & documented
        differ = {name for name in first if blind.get(name, 0) < 2}
        differ |= {name for name, grade in blind.items() if grade == 2 and name not in first}
        missing = {n for n in differ | outside if (row["id"], n) not in settled}
        assert missing == set(), row["id"]
    assert all(row["why"] for row in settled.values())


def test_gold_2_is_the_blind_judgement_with_what_was_settled(settled):
    for row in rows("blind.jsonl"):
        grades = named(row)
        own = {name: each["grade"] for (qid, name), each in settled.items() if qid == row["id"]}
        grades = {name: grade for name, grade in {**grades, **own}.items() if grade}
        assert grades == SITUATIONS[row["id"]].grades, row["id"]


def test_what_was_settled_says_what_the_judges_said(settled):
    blind = {row["id"]: named(row) for row in rows("blind.jsonl")}
    for (qid, name), row in settled.items():
        assert row["gold_1"] == (name in SITUATIONS[qid].gold_1)
        if row["pooled"]:
            assert row["blind"] == blind[qid].get(name, 0), (qid, name)


def test_the_second_judge_graded_documents_of_the_pools():
    judged = read_judged(STDLIB.collection)
    for row in rows("second.jsonl"):
        assert set(row["documents"]) <= set(judged[row["id"]])
        assert named(row).keys() <= set(row["documents"])


def test_the_tables_in_the_page_are_what_the_script_prints():
    command = [sys.executable, DOCS.parent / "agreement.py", "stdlib"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() in (DOCS / "README.md").read_text(encoding="utf-8")
