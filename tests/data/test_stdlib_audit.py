"""The audit of the stdlib judgements belongs to the gold that ships, and its table is current."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from harness.data.stdlib.task import read_rows

DOCS = Path(__file__).resolve().parents[2] / "docs" / "stdlib"


def test_final_gold_is_the_gold_that_ships():
    audited = {
        row["id"]: set(row["final_gold"])
        for path in (DOCS / "audit").glob("*.jsonl")
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    }
    assert audited == {row.id: set(row.gold) for row in read_rows()}


def test_the_table_in_the_page_is_what_the_script_prints():
    script = DOCS / "agreement.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() in (DOCS / "README.md").read_text(encoding="utf-8")
