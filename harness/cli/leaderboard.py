"""`rebench leaderboard`: measured, published and imported entries on common ground."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DataOption, ResultsOption

if TYPE_CHECKING:
    from harness.api.boards import Leaderboard
    from harness.core.errors import StoreError
    from harness.leaderboard.rows import Kind


class Format(StrEnum):
    """Output formats of the leaderboard."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"
    HTML = "html"


def run(
    output_format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead.")
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", help="Only these groups, or these tasks with means over them."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Instead of each task's head metric.")
    ] = None,
    measured: Annotated[bool, typer.Option("--measured", help="Only measured rows.")] = False,
    published: Annotated[
        bool, typer.Option("--published", help="Only published and imported rows.")
    ] = False,
    query_set: Annotated[
        str | None, typer.Option("--query-set", metavar="SET", help="Only these query sets.")
    ] = None,
    family: Annotated[
        str | None, typer.Option("--family", metavar="NAME", help="Only these model families.")
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option("--fold", metavar="N", help="Only the queries of this fold, 0 to 4."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="LIST", help="These columns or metrics; +NAME adds one; all."
        ),
    ] = None,
    bundles: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="Show a folder of bundles without importing them."
        ),
    ] = None,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Show what was measured and what was published, ranked among those on the same data.

    Measured rows carry rank groups and intervals: see the notes under each board. A damaged
    entry is named and left out, and the exit code is then 2.

    Example: rebench leaderboard --tasks bright --format html -o board.html
    """
    from harness.api.boards import leaderboard
    from harness.cli.progress import reporter_for_stderr

    boards = leaderboard(
        tasks or "",
        metric=metric or "",
        kinds=_kinds(measured, published),
        query_sets=query_set or "",
        families=family or "",
        fold=fold,
        columns=columns,
        bundles=bundles,
        results=results,
        data=data,
        progress=reporter_for_stderr(),
    )
    if output_format is Format.TABLE and output is None:
        _print(boards)
    else:
        _write(_rendered(boards, output_format), output)
    _report(boards.problems)


def _kinds(measured: bool, published: bool) -> tuple[Kind, ...]:
    """Return the kinds of rows that the flags ask for; none or both: all."""
    if measured == published:
        return ()
    return ("measured",) if measured else ("published", "imported")


def _print(boards: Leaderboard) -> None:
    """Print the boards as tables."""
    from harness.cli.board_table import print_boards
    from harness.cli.console import print_text
    from harness.leaderboard.columns import DEFAULT, parse_columns

    print_boards(boards.boards, parse_columns(boards.columns, DEFAULT))
    if not boards:
        print_text("nothing to show: no entry matches")


def _write(text: str, output: Path | None) -> None:
    """Print a text, or write it to a file whose folder is made if it is absent."""
    from harness.cli.console import print_text
    from harness.core.files import write_text

    if output is None:
        print_text(text)
    else:
        write_text(output, text)


def _rendered(boards: Leaderboard, output_format: Format) -> str:
    """Return the boards as text in a format (a table becomes Markdown in a file)."""
    import json

    if output_format is Format.JSON:
        return json.dumps(boards.to_dict()["boards"], ensure_ascii=False, indent=1) + "\n"
    renderers = {Format.CSV: boards.csv, Format.LATEX: boards.latex, Format.HTML: boards.html}
    return renderers.get(output_format, boards.markdown)()


def _report(problems: tuple[StoreError, ...]) -> None:
    """Name what was left out, then raise, so that the exit code tells."""
    from harness.cli.progress import reporter_for_stderr
    from harness.core.errors import StoreError

    for problem in problems:
        reporter_for_stderr().warn(f"{problem.message} ({problem.fix})")
    if problems:
        count = "1 file was" if len(problems) == 1 else f"{len(problems)} files were"
        raise StoreError(
            f"{count} left out, named above; the rest is shown",
            fix="Fix or remove what is named; the numbers that are shown do not depend on it.",
        )
