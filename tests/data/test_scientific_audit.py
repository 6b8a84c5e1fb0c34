"""The audit of the scientific judgements belongs to the gold that ships; its tables are current."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from harness.data.scientific.task import SCIENTIFIC, build_corpus, documents_of
from harness.data.situations import read_judged, read_situations
from tests.helpers.lowest import lowest_scientific

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scientific"
SITUATIONS = {each.id: each for each in read_situations(SCIENTIFIC.collection)}


def rows(name: str) -> list[dict]:
    """Return the objects of one file of the audit."""
    lines = (DOCS / "audit" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def named(row: dict) -> dict[str, int]:
    """Return document -> grade of what a judge named."""
    return {**dict.fromkeys(row["helps"], 1), **dict.fromkeys(row["answers"], 2)}


@cache
def common() -> frozenset[str]:
    """Return the documents that the lowest and the installed versions both hold."""
    return frozenset(build_corpus().ids) & documents_of([lowest_scientific()]).keys()


def test_gold_is_the_blind_judgement_with_what_was_settled():
    known = common()
    settled: dict[str, dict[str, int]] = {}
    for row in rows("settled.jsonl"):
        settled.setdefault(row["id"], {})[row["document"]] = row["grade"]
    blind = rows("blind.jsonl")
    assert {row["id"] for row in blind} == SITUATIONS.keys()
    for row in blind:
        grades = {**named(row), **settled.get(row["id"], {})}
        kept = {name: grade for name, grade in grades.items() if grade and name in known}
        assert kept == SITUATIONS[row["id"]].grades, row["id"]


def test_every_disagreement_was_settled_and_says_why():
    known = common()
    settled = {(row["id"], row["document"]) for row in rows("settled.jsonl")}
    blind = {row["id"]: named(row) for row in rows("blind.jsonl")}
    for row in rows("writers.jsonl"):
        wrote, judged = set(row["answers"]), blind[row["id"]]
        differ = {name for name in wrote if judged.get(name, 0) < 2}
        differ |= {name for name, grade in judged.items() if grade == 2 and name not in wrote}
        assert {(row["id"], name) for name in differ & known} <= settled
    assert all(row["why"] for row in rows("settled.jsonl"))


def test_the_second_judge_graded_documents_of_the_pools():
    judged = read_judged(SCIENTIFIC.collection)
    known = common()
    for row in rows("second.jsonl"):
        assert named(row).keys() & known <= set(judged[row["id"]])


def test_the_tables_in_the_page_are_what_the_script_prints():
    command = [sys.executable, DOCS.parent / "agreement.py", "scientific"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() in (DOCS / "README.md").read_text(encoding="utf-8")
