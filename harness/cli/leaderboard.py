"""`rebench leaderboard`: measured and published entries on common ground."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import ResultsOption, settings_from

if TYPE_CHECKING:
    from harness.leaderboard.build import Board


class Format(StrEnum):
    """Output formats of the leaderboard."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


def run(
    output_format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="Only boards with these tasks or groups.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Instead of each task's head metric.")
    ] = None,
    measured: Annotated[bool, typer.Option("--measured", help="Only measured rows.")] = False,
    published: Annotated[bool, typer.Option("--published", help="Only published rows.")] = False,
    results: ResultsOption = None,
) -> None:
    """Show what was measured and what was published, ranked where the ground is the same.

    Example: rebench leaderboard --tasks bright --format markdown -o board.md
    """
    from harness.cli.console import print_board, print_text
    from harness.core.files import write_text

    boards = _boards(settings_from(results=results).results_dir, tasks, metric)
    boards = _chosen(boards, measured, published, tasks)
    if output_format is Format.TABLE and output is None:
        for board in boards:
            print_board(board)
        if not boards:
            print_text("nothing to show: no entry matches")
        return
    text = _rendered(boards, output_format)
    if output is None:
        print_text(text)
    else:
        write_text(output, text)


def _boards(results_dir: Path, tasks: str | None, metric: str | None) -> tuple[Board, ...]:
    """Return the boards of all stored and published rows; damaged entries are named on stderr."""
    from harness.cli.progress import reporter_for_stderr
    from harness.data.registry import group_members, groups
    from harness.leaderboard.build import build_boards
    from harness.metrics.names import parse_metric
    from results.published import load_published
    from results.store import ResultStore

    loaded = ResultStore(results_dir).entries()
    for problem in loaded.problems:
        reporter_for_stderr().warn(f"{problem.message} ({problem.fix})")
    members = {group: group_members(group) for group in groups()}
    name = str(parse_metric(metric)) if metric else None
    return build_boards(loaded.entries, load_published(), members, name)


def _chosen(
    boards: tuple[Board, ...], measured: bool, published: bool, tasks: str | None
) -> tuple[Board, ...]:
    """Apply the filters; without a kind flag both kinds are shown."""
    from harness.leaderboard.build import Kind, select

    kinds: set[Kind] = {"measured", "published"}
    if measured != published:
        kinds = {"measured"} if measured else {"published"}
    names = {name.strip() for name in tasks.split(",")} if tasks else None
    return select(boards, kinds=kinds, tasks=names)


def _rendered(boards: tuple[Board, ...], output_format: Format) -> str:
    """Return the boards as text in a format (a table becomes Markdown in a file)."""
    import json

    from harness.leaderboard.formats import to_csv, to_json, to_markdown

    if output_format is Format.CSV:
        return to_csv(boards)
    if output_format is Format.JSON:
        return json.dumps(to_json(boards), ensure_ascii=False, indent=1) + "\n"
    return to_markdown(boards)
