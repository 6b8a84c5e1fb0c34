"""`rebench compare`: whether one system is better than another, by how much, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.options import DataOption, JsonOption, ResultsOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.compare.changes import Change
    from harness.compare.comparison import Comparison
    from harness.compare.differences import Difference

SPARE = ("detectable", "effect", "p", "queries", "won/tied/lost")
"""Columns that a narrow terminal does without, in this order."""

TEXT_WIDTH = 200
"""Characters of a text that are shown; `--json` holds it whole."""


def run(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help="Two measured models or more, or MODEL#VARIANT."),
    ],
    tasks: shared.TasksChoice = "",
    metric: shared.MetricChoice = "",
    query_set: shared.QuerySetChoice = "",
    fold: shared.FoldChoice = None,
    test: Annotated[
        str, typer.Option("--test", help="permutation, student, fisher or tukey.")
    ] = "permutation",
    permutations: shared.PermutationsChoice = 0,
    seed: shared.SeedChoice = None,
    changes: Annotated[
        int, typer.Option("--changes", metavar="N", help="Queries shown for gains and losses.")
    ] = 5,
    brief: Annotated[
        bool, typer.Option("--brief", help="Only each pair's table and what it shows.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
) -> None:
    """Compare measured systems: differences, intervals, corrected p, and where they differ.

    Systems that were evaluated on different data (gold, documents, queries) get no number, but
    what differs.

    Example: rebench compare reasonir-8b rader-gte-qwen2-7b --query-set gpt4
    """
    from harness.api.comparing import compare
    from harness.cli.console import print_json
    from harness.cli.progress import reporter_for_stderr
    from harness.compare.differences import ComparisonSettings
    from harness.stats.conventions import SEED

    start = SEED if seed is None else seed
    compared = compare(
        *models,
        tasks=tasks,
        metric=metric,
        query_set=query_set,
        fold=fold,
        settings=ComparisonSettings(
            test=test, permutations=permutations, seed=start, changes=changes
        ),
        results=results,
        data=data,
        progress=reporter_for_stderr(),
    )
    if as_json:
        print_json(compared.to_dict())
    else:
        _print(compared.comparison, brief)


def _print(comparison: Comparison, brief: bool) -> None:
    """Print a comparison pair by pair; if `brief`, without where its differences live."""
    from harness.cli.console import no_room, print_text, print_wrapped
    from harness.compare.differences import verdict

    dropped: dict[str, None] = {}
    for at, head in enumerate(comparison.headline):
        if at:
            print_text("")
        dropped.update(dict.fromkeys(_print_pair(comparison, at, head)))
        if brief:
            continue
        dropped.update(dict.fromkeys(_print_slices(comparison, at)))
        _print_changes(
            head, [each for each in comparison.changes if (each.a, each.b) == (head.a, head.b)]
        )
    print_text("")
    for head in comparison.headline:
        print_wrapped(verdict(head, comparison.settings))
    for note in (_how(comparison), *comparison.notes):
        print_wrapped(f"note: {note}")
    if dropped:
        print_wrapped(no_room(dropped))


def _print_pair(comparison: Comparison, at: int, head: Difference) -> tuple[str, ...]:
    """Print the table of one pair, a line per task, then the mean; return what did not fit."""
    from harness.cli.console import print_aligned, print_text
    from harness.metrics.names import label, parse_metric
    from harness.render.numbers import MINUS

    metric = label(parse_metric(comparison.metric))
    print_text(f"{head.a} {MINUS} {head.b} · {comparison.query_set} queries · {metric} × 100")
    lines = [(task, comparison.by_task[task][at]) for task in comparison.tasks]
    if comparison.overall:
        lines.append((f"mean of {len(comparison.tasks)} tasks", comparison.overall[at]))
    return print_aligned([_row(name, each) for name, each in lines], SPARE)


def _row(name: str, each: Difference) -> dict[str, str]:
    """Return one line of a pair's table."""
    from harness.render import numbers

    return {
        "task": name,
        "queries": f"{each.queries:,}",
        each.a: numbers.points(each.mean_a),
        each.b: numbers.points(each.mean_b),
        "difference": numbers.signed(each.delta),
        "interval": numbers.signed_interval(each.interval),
        "p": numbers.p_value(each.p),
        "corrected p": numbers.p_value(each.p_corrected),
        "won/tied/lost": numbers.win_tie_loss(each.counts),
        "effect": numbers.decimal(each.effect),
        "detectable": numbers.points(each.detectable),
    }


def _print_slices(comparison: Comparison, at: int) -> list[str]:
    """Print where the difference lives, one table a kind; return what did not fit."""
    from harness.cli.console import print_aligned, print_text
    from harness.render import numbers

    heads = {
        "domain": "By domain (means over tasks)",
        "level": "By wording (less of the answer in the words from one to the next)",
        "length": "By words of the original query (thirds of each task)",
        "intensity": "By reasoning intensity (BM25 rank of the best gold document)",
    }
    dropped: list[str] = []
    for kind, head in heads.items():
        own = [each for each in comparison.slices if each.kind == kind]
        if not own:
            continue
        print_text(f"\n{head}")
        rows = [
            {
                kind: each.name,
                "queries": f"{each.queries:,}",
                each.differences[at].a: numbers.points(each.differences[at].mean_a),
                each.differences[at].b: numbers.points(each.differences[at].mean_b),
                "difference": numbers.signed(each.differences[at].delta),
                "interval": numbers.signed_interval(each.differences[at].interval),
                "won/tied/lost": numbers.win_tie_loss(each.differences[at].counts),
            }
            for each in own
        ]
        dropped += print_aligned(rows, SPARE)
    return dropped


def _print_changes(head: Difference, changes: list[Change]) -> None:
    """Print the queries with the largest gains, then those with the largest losses."""
    from harness.cli.console import print_text, print_wrapped

    for title, own in (
        (f"Largest gains of {head.a}", [each for each in changes if each.delta > 0]),
        (f"Largest losses of {head.a}", [each for each in changes if each.delta < 0]),
    ):
        if own:
            print_text(f"\n{title}")
        for each in own:
            for line in _change_lines(each):
                print_wrapped(line)


def _change_lines(each: Change) -> Iterable[str]:
    """Yield the lines of one query."""
    from harness.render.numbers import points, signed

    values = f"{points(each.value_a)} against {points(each.value_b)}"
    yield f"  {each.task} {each.query}: {signed(each.delta)} ({values})"
    if each.text:
        yield f"    {_short(each.text)}"
    for system, terms in (each.terms or {}).items():
        yield f"    {system} weighs: {', '.join(terms)}"
    gold = set(each.gold)
    for name, documents in (("gold", each.gold), (each.a, each.top_a), (each.b, each.top_b)):
        shown = documents[:3]
        more = f" and {len(documents) - 3} more" if len(documents) > 3 else ""
        if not each.snippets:
            marked = (f"{doc} ✓" if name != "gold" and doc in gold else doc for doc in shown)
            yield f"    {name}: {', '.join(marked) or 'nothing'}{more}"
            continue
        yield f"    {name}:{'' if shown else ' nothing'}"
        for doc in shown:
            mark = " ✓" if name != "gold" and doc in gold else ""
            text = each.snippets.get(doc, "").removeprefix(doc)  # some begin with their name
            yield f"      {doc}{mark}: {_short(text, TEXT_WIDTH // 2)}"
        if more:
            yield f"     {more}"


def _short(text: str, width: int = TEXT_WIDTH) -> str:
    """Return a text on one line, cut at a width."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _how(comparison: Comparison) -> str:
    """Return how the numbers were computed, in a sentence."""
    from harness.render.numbers import percent

    plan = comparison.settings
    drawn = f", {comparison.permutations:,} permutations" if comparison.permutations else ""
    correction = "Tukey, and Bonferroni over tasks" if plan.test == "tukey" else "Holm"
    tests = "test" if comparison.tests == 1 else "tests"
    return (
        f"{plan.test} test{drawn}; p corrected over the {comparison.tests} {tests} shown "
        f"({correction}); {percent(plan.level)} BCa intervals; detectable: smallest true "
        f"difference seen in {percent(plan.power)} of cases at p ≤ {plan.alpha:g}, before "
        f"correction; effect: Cohen's d; seed {plan.seed}"
    )
