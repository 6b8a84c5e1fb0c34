"""A report written to disk: Markdown, the data behind it, and its figures."""

from __future__ import annotations

import json
from pathlib import Path

from harness.core.files import write_text
from harness.render.figures import write_figure
from harness.reports.figures import (
    differences_figure,
    intensity_figure,
    levels_figure,
    tasks_figure,
)
from harness.reports.headroom import headroom_figure
from harness.reports.quality import quality
from harness.reports.report_data import Report, report_json
from harness.reports.text import report_text

REPORT = "report.md"


def write_report(report: Report, output: Path) -> tuple[Path, ...]:
    """Write a report and return its files, the Markdown first.

    `output` is a folder (`report.md`, `report.json` and `figures/` go into it) or a file ending
    in `.md`, whose data and figures lie beside it. Folders that are absent are made. The same
    report gives the same bytes. Raises `StoreError` where nothing can be written.
    """
    path = output if output.suffix == ".md" else output / REPORT
    figures = path.parent / ("figures" if path.name == REPORT else f"{path.stem}-figures")
    drawn = draw(report)
    text = report_text(report, drawn, figures.name)
    data = json.dumps(report_json(report), ensure_ascii=False, indent=1, allow_nan=False)
    written = [path, path.with_suffix(".json")]
    for name, files in drawn.items():
        written += write_figure(figures, name, files)
    write_text(written[1], data + "\n")
    write_text(path, text)
    return tuple(written)


def draw(report: Report) -> dict[str, dict[str, bytes]]:
    """Return the figures that the report's data allow: name -> suffix -> file."""
    found = report.comparison
    drawn = {
        "tasks": tasks_figure(found) if len(found.tasks) > 1 else None,
        "differences": differences_figure(found) if found.headline else None,
        "levels": levels_figure(found),
        "intensity": intensity_figure(found),
        "headroom": headroom_figure(report.lost),
        "quality": quality(found, report.facts),
    }
    return {name: files for name, files in drawn.items() if files is not None}
