"""A report written to disk: Markdown, the data behind it, and its figures."""

from __future__ import annotations

import json
from pathlib import Path

from harness.core.checksums import DamagedFile
from harness.core.file_sets import MANIFEST_SUFFIX, file_set_problems, write_file_set
from harness.leaderboard.cost import cost_figure
from harness.metrics.names import label, parse_metric
from harness.render.figures import figure_files
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
    report gives the same bytes. A manifest, `report.manifest.json` for `report.md`, is written
    last; figures of the report before that this one has not are removed. Raises `StoreError`
    where nothing can be written.
    """
    path = _markdown(output)
    figures = "figures" if path.name == REPORT else f"{path.stem}-figures"
    drawn = draw(report)
    text = report_text(report, drawn, figures)
    data = json.dumps(report_json(report), ensure_ascii=False, indent=1, allow_nan=False)
    files = {
        path.name: text.encode("utf-8"),
        path.with_suffix(".json").name: f"{data}\n".encode(),
        **figure_files(figures, drawn),
    }
    return write_file_set(_manifest(path), files)


def report_problems(output: Path) -> tuple[DamagedFile, ...]:
    """Return which files of a written report do not fit its manifest, if it has one.

    `output` is what `write_report` was given. A report that was killed midway, or of which a file
    was changed since, has such files.
    """
    fix = "Write the report again, with the command that stands at its end."
    return file_set_problems(_manifest(_markdown(output)), fix=fix)


def _markdown(output: Path) -> Path:
    """Return the Markdown file of a report that is written to `output`."""
    return output if output.suffix == ".md" else output / REPORT


def _manifest(path: Path) -> Path:
    """Return where the manifest of a report lies."""
    return path.with_suffix(MANIFEST_SUFFIX)


def draw(report: Report) -> dict[str, dict[str, bytes]]:
    """Return the figures that the report's data allow: name -> suffix -> file."""
    found = report.comparison
    drawn = {
        "tasks": tasks_figure(found) if len(found.tasks) > 1 else None,
        "differences": differences_figure(found) if found.headline else None,
        "levels": levels_figure(found),
        "intensity": intensity_figure(found),
        "headroom": headroom_figure(report.lost),
        "cost": cost_figure(report.costs, label(parse_metric(found.metric))),
        "quality": quality(found, report.facts),
    }
    return {name: files for name, files in drawn.items() if files is not None}
