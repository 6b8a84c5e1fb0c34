"""The committed example audits: what their heads say, and the table of their README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from remixer.audit.measures import MEASURES

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "remix-audit"
REPORTS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def shares(report: str) -> dict[str, str]:
    """Return measure -> share, as the report's tables have them."""
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| [\d,]+ of [\d,]+ \(([^)]+)\)", report, re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_says_how_it_was_made_and_what_is_counted_today(path: Path):
    report = path.read_text(encoding="utf-8")
    head = report.split("\n## ", 1)[0]
    assert f"rebench remix run --{'task' if 'stdlib' in path.stem else 'corpus'} " in head
    assert f"rebench remix audit {path.stem} --task " in head
    assert ("--include-source" in head) == path.stem.endswith("source-included")
    for measure in MEASURES:
        assert f"| {measure.name} | {measure.description} |" in report
    trivial = path.stem.endswith("source-included")
    assert shares(report)["source_is_positive"] == ("100 %" if trivial else "0 %")


def test_the_table_holds_what_the_reports_hold():
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    top = next(line for line in lines if line.startswith("| report |"))
    heads = [cell.strip() for cell in top.split("|")[1:-1]]
    rows = [line for line in lines if line.startswith("| [")]
    assert len(rows) == len(REPORTS) >= 6
    for line in rows:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        name = re.findall(r"\((.*)\)", cells[0])[0]
        found = shares((FOLDER / name).read_text(encoding="utf-8"))
        for head, cell in list(zip(heads, cells, strict=True))[2:]:
            assert cell.replace(".0 %", " %") == found[head], (name, head)
