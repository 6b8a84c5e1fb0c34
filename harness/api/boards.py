"""The leaderboard: measured, published and imported rows, ranked if they are on the same data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.bundles import visiting
from harness.api.session import Session, open_session
from harness.api.tables import TableResult
from harness.core.names import split_names

if TYPE_CHECKING:
    from harness.core.errors import StoreError
    from harness.core.protocols import Reporter
    from harness.leaderboard.columns import Column
    from harness.leaderboard.filter import BoardFilter
    from harness.leaderboard.rank import QueryValues
    from harness.leaderboard.rows import Board, Kind, ModelFacts


@dataclass(frozen=True, slots=True)
class Leaderboard(TableResult):
    """Ranked boards, the per-query values behind each, and files that could not be read.

    `data_dir` is where BRIGHT's query texts are read from for the page, if they are there;
    `columns` are shown, as in `leaderboard --columns`.
    """

    boards: tuple[Board, ...]
    values: tuple[QueryValues, ...]
    problems: tuple[StoreError, ...] = ()
    data_dir: Path | None = None
    columns: str | None = None

    def __iter__(self) -> Iterator[Board]:
        """Iterate over the boards."""
        return iter(self.boards)

    def __len__(self) -> int:
        """Return the number of boards."""
        return len(self.boards)

    def __getitem__(self, at: int) -> Leaderboard:
        """Return one board as a leaderboard of its own."""
        return replace(self, boards=(self.boards[at],), values=(self.values[at],))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per row of each board; tasks are columns, values fractions."""
        tasks = list(dict.fromkeys(task for board in self.boards for task in board.tasks))
        return [
            {
                "group": board.group,
                "query set": board.query_set,
                "metric": board.metric,
                "model": row.name,
                "kind": row.kind,
                "rank group": row.standing.group if row.standing else None,
                "mean": row.mean,
                **{task: row.values.get(task) for task in tasks},
                "source": row.source,
            }
            for board in self.boards
            for row in board.rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the boards as `leaderboard --format json` prints them."""
        from harness.leaderboard.serialise import to_json

        return {"boards": to_json(self.boards)}

    def markdown(self) -> str:
        """Return the boards as Markdown tables with notes; values × 100."""
        from harness.leaderboard.markdown import to_markdown

        return to_markdown(self.boards, _columns(self.columns))

    def csv(self) -> str:
        """Return one line per row and task; numbers are unrounded fractions."""
        from harness.leaderboard.serialise import to_csv

        return to_csv(self.boards, _columns(self.columns))

    def latex(self) -> str:
        """Return a LaTeX table per board."""
        from harness.leaderboard.columns import parse_columns
        from harness.leaderboard.latex import LATEX_COLUMNS, to_latex

        return to_latex(self.boards, parse_columns(self.columns, LATEX_COLUMNS))

    def html(self) -> str:
        """Return one page that works from disk, with a page for each row and each pair of rows."""
        from harness.api.board_pairs import board_pairs
        from harness.leaderboard.html_page import PageOptions, to_html
        from harness.leaderboard.texts import query_texts

        options = PageOptions(
            texts=query_texts(self.boards, self.data_dir),
            pairs=tuple(map(board_pairs, self.boards, self.values)),
        )
        return to_html(self.boards, self.values, _columns(self.columns), options)


def leaderboard(
    tasks: str = "",
    *,
    metric: str = "",
    kinds: Iterable[Kind] = (),
    query_sets: str = "",
    families: str = "",
    fold: int | None = None,
    columns: str | None = None,
    bundles: str | Path | None = None,
    results: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> Leaderboard:
    """Return the boards of all measured, published and imported rows, with rank groups.

    `tasks`, `query_sets` and `families` are names with commas between them (empty: all), `kinds`
    any of `measured`, `published` and `imported`. `fold` takes the queries of one fold of five
    (then only measured rows have values), `columns` are read as by `leaderboard --columns`, and
    metrics among them are derived from the stored runs. With `bundles`, a folder of them, what is
    measured are those alone, each scored again and none imported. Raises `UnknownName` for a name
    that nothing here has; files that cannot be read are in `problems`.
    """
    from harness.data.registry import boards_of
    from harness.leaderboard.columns import DEFAULT, extra_metrics, parse_columns
    from harness.leaderboard.filter import BoardFilter
    from harness.leaderboard.rows import KINDS
    from harness.metrics.names import parse_metric

    session = open_session(results=results, data=data, progress=progress)
    only = BoardFilter(
        kinds=frozenset(kinds) or frozenset(KINDS),
        tasks=frozenset(board for name in split_names(tasks) for board in boards_of(name)),
        query_sets=frozenset(split_names(query_sets)),
        families=frozenset(split_names(families)),
    )
    name = str(parse_metric(metric)) if metric else None
    extras = extra_metrics(parse_columns(columns, DEFAULT))
    reading = _Reading(name, fold, extras)
    if bundles is None:
        return _ranked(session, only, reading, columns)
    with visiting(Path(bundles), session) as visit:
        board = _ranked(visit.session, only, reading, columns)
    return replace(board, problems=(*visit.problems, *board.problems))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read of the stored runs: the metric, a fold of the queries, and further metrics."""

    metric: str | None
    fold: int | None
    extras: tuple[str, ...]


def _ranked(
    session: Session, only: BoardFilter, reading: _Reading, columns: str | None
) -> Leaderboard:
    from harness.data.registry import group_members, groups, task_rows
    from harness.derived import EntryReader
    from harness.leaderboard.build import Sources, build_boards
    from harness.leaderboard.filter import check_names, filter_boards
    from harness.leaderboard.headroom import candidate_ceilings, with_extras, with_metric
    from harness.leaderboard.profile import with_profiles
    from harness.leaderboard.rank import rank_board, read_values
    from results.imported import load_imported
    from results.published import GROUPS, load_published

    store = session.store
    loaded, imported = store.entries(), load_imported(store.root)
    members = {**GROUPS, **{group: group_members(group) for group in groups()}}
    reader = EntryReader(store, reading.fold)
    measured = with_metric(loaded.entries, reading.metric, reader, only.wants)
    whole = reading.fold is None  # published and imported rows have no values by query
    published = load_published() if whole else ()
    rows = imported.rows if whole else ()
    ceilings = candidate_ceilings(published, loaded.entries, reader)
    sources = Sources(measured.entries, published, rows, members, model_facts(), ceilings)
    boards = build_boards(sources, reading.metric)
    check_names(boards, only, (*members, *(row.name for row in task_rows())))
    chosen = tuple(
        with_extras(replace(board, fold=reading.fold), reading.extras, reader)
        for board in filter_boards(boards, only)
    )
    values = tuple(read_values(board, reader.values) for board in chosen)
    ranked = tuple(map(with_profiles, map(rank_board, chosen, values), values))
    unread = (problem for each in values for problem in each.problems)
    problems = (*loaded.problems, *measured.problems, *imported.problems, *unread)
    return Leaderboard(ranked, values, problems, session.settings.data_dir, columns)


def model_facts() -> Mapping[str, ModelFacts]:
    """Return what the cards say, by a model's name and by its name on the hub."""
    from harness.leaderboard.rows import ModelFacts
    from models.card import card_json
    from models.registry import shipped_cards

    by_name: dict[str, ModelFacts] = {}
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
        by_name[card.name] = facts
        if card.hub_id:
            by_name.setdefault(card.hub_id, facts)
    return by_name


def _columns(spec: str | None) -> tuple[Column, ...]:
    from harness.leaderboard.columns import DEFAULT, parse_columns

    return parse_columns(spec, DEFAULT)
