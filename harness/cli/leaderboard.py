"""`rebench leaderboard`: measured, published and imported entries on common ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DataOption, ResultsOption, settings_from

if TYPE_CHECKING:
    from harness.core.errors import StoreError
    from harness.core.settings import Settings
    from harness.leaderboard.columns import Column
    from harness.leaderboard.filter import BoardFilter
    from harness.leaderboard.rank import QueryValues
    from harness.leaderboard.rows import Board, Kind, ModelFacts


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
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Show what was measured and what was published, ranked where the ground is the same.

    Measured rows carry rank groups and intervals: see the notes under each board. A damaged
    entry is named and left out, and the exit code is then 2.

    Example: rebench leaderboard --tasks bright --format html -o board.html
    """
    from harness.leaderboard.columns import DEFAULT, extra_metrics, parse_columns
    from harness.leaderboard.latex import LATEX_COLUMNS

    settings = settings_from(results=results, data=data)
    chosen_columns = parse_columns(
        columns, LATEX_COLUMNS if output_format is Format.LATEX else DEFAULT
    )
    choice = _choice(measured, published, tasks, query_set, family)
    reading = _Reading(metric, fold, extra_metrics(chosen_columns))
    found = _ranked(settings, choice, reading)
    if output_format is Format.TABLE and output is None:
        _print(found.boards, chosen_columns)
    else:
        _write(_rendered(found, output_format, chosen_columns, settings), output)
    _report(found.problems)


@dataclass(frozen=True, slots=True)
class _Found:
    """The boards as shown, the per-query values of each, and what could not be read."""

    boards: tuple[Board, ...]
    values: tuple[QueryValues, ...]
    problems: tuple[StoreError, ...]


def _choice(
    measured: bool, published: bool, tasks: str | None, query_set: str | None, family: str | None
) -> BoardFilter:
    """Return the filters that the flags ask for; without a kind flag all kinds are shown."""
    from harness.leaderboard.filter import BoardFilter
    from harness.leaderboard.rows import KINDS

    kinds: frozenset[Kind] = frozenset(KINDS)
    if measured != published:
        kinds = frozenset({"measured"}) if measured else kinds - {"measured"}
    return BoardFilter(kinds, _names(tasks), _names(query_set), _names(family))


def _names(spec: str | None) -> frozenset[str]:
    """Return the names of a comma-separated list, none for none."""
    return frozenset(name.strip() for name in (spec or "").split(",") if name.strip())


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read of the stored runs: the metric, a fold of the queries, and further metrics."""

    metric: str | None
    fold: int | None
    extras: tuple[str, ...]


def _ranked(settings: Settings, choice: BoardFilter, reading: _Reading) -> _Found:
    """Return the chosen boards of all stored, published and imported rows, with standings."""
    from harness.data.registry import group_members, groups, task_rows
    from harness.derived import EntryReader
    from harness.leaderboard.build import Sources, build_boards
    from harness.leaderboard.filter import check_names, filter_boards
    from harness.leaderboard.headroom import candidate_ceilings, with_extras, with_metric
    from harness.leaderboard.rank import rank_board, read_values
    from harness.metrics.names import parse_metric
    from results.imported import load_imported
    from results.published import GROUPS, load_published
    from results.store import ResultStore

    store = ResultStore(settings.results_dir)
    loaded = store.entries()
    imported = load_imported(settings.results_dir)
    members = {**GROUPS, **{group: group_members(group) for group in groups()}}
    metric = str(parse_metric(reading.metric)) if reading.metric else None
    reader = EntryReader(store, reading.fold)
    measured = with_metric(loaded.entries, metric, reader, choice.wants)
    whole = reading.fold is None  # published and imported rows have no values by query
    published = load_published() if whole else ()
    sources = Sources(
        measured.entries,
        published,
        imported.rows if whole else (),
        members,
        model_facts(settings),
        candidate_ceilings(published, loaded.entries, reader),
    )
    boards = build_boards(sources, metric)
    check_names(boards, choice, (*members, *(row.name for row in task_rows())))
    chosen = tuple(
        with_extras(replace(board, fold=reading.fold), reading.extras, reader)
        for board in filter_boards(boards, choice)
    )
    values = tuple(read_values(board, reader.values) for board in chosen)
    ranked = tuple(map(rank_board, chosen, values))
    unread = (problem for each in values for problem in each.problems)
    return _Found(
        ranked, values, (*loaded.problems, *measured.problems, *imported.problems, *unread)
    )


def model_facts(settings: Settings) -> Mapping[str, ModelFacts]:
    """Return what the cards say, by a model's name and by its name on the hub."""
    from harness.leaderboard.rows import ModelFacts
    from models.card import card_json
    from models.registry import shipped_cards

    found = {}
    for card in shipped_cards().values():
        price = card.options.get("price_per_million_tokens")
        facts = ModelFacts(
            parameters=card.parameters or None,
            dimension=card.dimension or None,
            licence=card.licence if card.licence != "unknown" else "",
            family=card.family,
            trained_on_bright=card.trained_on_bright,
            price=float(price) if isinstance(price, int | float) and price else None,
            card=card_json(card),
        )
        found[card.name] = facts
        if card.hub_id:
            found.setdefault(card.hub_id, facts)
    return found


def _print(boards: tuple[Board, ...], columns: tuple[Column, ...]) -> None:
    """Print the boards as tables."""
    from harness.cli.board_table import print_boards
    from harness.cli.console import print_text

    print_boards(boards, columns)
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


def _rendered(
    found: _Found, output_format: Format, columns: tuple[Column, ...], settings: Settings
) -> str:
    """Return the boards as text in a format (a table becomes Markdown in a file)."""
    import json

    from harness.leaderboard.latex import to_latex
    from harness.leaderboard.markdown import to_markdown
    from harness.leaderboard.serialise import to_csv, to_json

    if output_format is Format.CSV:
        return to_csv(found.boards, columns)
    if output_format is Format.JSON:
        return json.dumps(to_json(found.boards), ensure_ascii=False, indent=1) + "\n"
    if output_format is Format.LATEX:
        return to_latex(found.boards, columns)
    if output_format is Format.HTML:
        from harness.leaderboard.html_page import PageOptions, to_html
        from harness.leaderboard.texts import query_texts

        options = PageOptions(texts=query_texts(found.boards, settings.data_dir))
        return to_html(found.boards, found.values, columns, options)
    return to_markdown(found.boards, columns)


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
            fix="Mend or remove what is named; the numbers that are shown do not depend on it.",
        )
