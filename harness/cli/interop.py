"""`rebench import` and `rebench export`: results of other tools, in and out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import JsonOption, ResultsOption, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.interop.importing import Imported
    from results.imported import ImportedRow

_ORIGINAL = "original"


class FileLayout(StrEnum):
    """Layouts of result files that can be written."""

    MTEB = "mteb"
    BRIGHT = "bright"
    TREC = "trec"
    QRELS = "qrels"
    BUNDLE = "bundle"
    PARQUET = "parquet"


def import_results(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH…", help="Bundles or result files, or folders of either."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="The model's name, if no folder gives it."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="The task of a BRIGHT results.json."),
    ] = None,
    queries: Annotated[
        str, typer.Option("--queries", metavar="SET", help="The queries of BRIGHT results.json.")
    ] = _ORIGINAL,
    gold: Annotated[
        str,
        typer.Option(
            "--gold",
            metavar="VERSION",
            help="The judgements of BRIGHT results.json, such as `current`.",
        ),
    ] = "unknown",
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import bundles as measured entries, or result files of mteb or BRIGHT as rows.

    A bundle's run is scored again first: what does not follow from it is refused (exit code 2), and
    without the task's judgements it is shown as unverified, never ranked (docs/bundles.md).

    mteb's files name the revision of their data, which tells the version of the judgements. Such
    rows have no per-query values, so they are shown but never tested. Files of one
    model that are imported one by one add up.

    Example: rebench import results/BAAI__bge-large-en-v1.5
    """
    from harness.cli.bundles import all_bundles, take
    from harness.cli.console import print_table
    from harness.interop.bright import ImportHints
    from harness.interop.importing import keep_imported, read_all

    if all_bundles(paths):
        take(paths, results, as_json=as_json)
        return
    root = settings_from(results=results).results_dir
    found = read_all(paths, ImportHints(task, model, queries, gold))
    shown = [_shown(keep_imported(root, row)) for row in found.rows]
    print_table("imported rows", shown, as_json=as_json, spare=("query set", "metric"))
    _report(found)


def export(
    layout: Annotated[FileLayout, typer.Option("--format", help="Which files to write.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to.")],
    models: Annotated[
        str | None,
        typer.Option(
            "--models", "-m", metavar="LIST", help="Only these models, separated by commas."
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", "-t", metavar="LIST", help="Only these tasks or groups."),
    ] = None,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write entries as bundles, Parquet, or files of mteb, BRIGHT or TREC.

    A bundle is one file with all of an entry but texts, which `rebench import` checks. Parquet is
    two tables, of entries and of values by query. Imported rows go out in the layout they came in.
    Numbers are written unrounded. Runs can be scored again with `rebench score`.

    Example: rebench export --format trec -o runs --models bm25
    """
    from harness.cli.console import print_table
    from harness.cli.progress import reporter_for_stderr
    from harness.interop.exporting import chosen_entries, export_entries, export_imported
    from results.imported import load_imported
    from results.store import ResultStore

    if layout is FileLayout.BUNDLE:
        from harness.cli.bundles import write

        faults = write(output, models, tasks, results, as_json=as_json)
        _raise_for(len(faults), faults)
        return
    if layout is FileLayout.PARQUET:
        _export_parquet(output, models, tasks, results, as_json=as_json)
        return
    store = ResultStore(settings_from(results=results).results_dir)
    loaded, imported = store.entries(), load_imported(store.root)
    entries = chosen_entries(loaded.entries, models, tasks)
    rows = [row for row in imported.rows if _wanted_row(row, models, tasks)]
    done = export_entries(entries, store, layout.value, output)
    again = export_imported(rows, layout.value, output)
    for sentence in _folded(done.left_out):
        reporter_for_stderr().warn(f"left out: {sentence}")
    shown = [
        {"model": each.model, "task": each.task, "file": str(each.path)}
        for each in (*done.files, *again.files)
    ]
    print_table("files to write", shown, as_json=as_json)
    _raise_for(len(loaded.problems) + len(imported.problems), [
        *(problem.message for problem in (*loaded.problems, *imported.problems)),
    ])  # fmt: skip


def _export_parquet(
    output: Path, models: str | None, tasks: str | None, results: Path | None, *, as_json: bool
) -> None:
    """Write the two tables, print them, and raise for the entries that are not in them."""
    from harness.api.tabular import export_parquet
    from harness.cli.console import print_table

    done = export_parquet(output, models=models or "", tasks=tasks or "", results=results)
    rows = [{"file": str(each.path), "rows": each.rows} for each in done.tables]
    print_table("files to write", rows, as_json=as_json)
    _raise_for(len(done.problems), [problem.message for problem in done.problems])


def _folded(sentences: Iterable[str]) -> list[str]:
    """Return one sentence per reason: the first case, and how many more there are."""
    cases: dict[str, list[str]] = {}
    for sentence in sentences:
        case, _, reason = sentence.rpartition(": ")
        cases.setdefault(reason, []).append(case)
    return [
        f"{found[0]}{f' and {len(found) - 1} more' if len(found) > 1 else ''}: {reason}"
        for reason, found in cases.items()
    ]


def _shown(row: ImportedRow) -> dict[str, object]:
    """Return what is printed of an imported row; the mean is over the tasks that are there."""
    from harness.interop.records import TASK_HEAD_METRICS

    whole = sum(1 for head in TASK_HEAD_METRICS.values() if head.group == row.group)
    found = [own[row.head_metric] for own in row.metrics.values() if row.head_metric in own]
    return {
        "model": row.model,
        "group": row.group,
        "query set": row.query_set,
        "gold": row.gold,
        "tasks": f"{len(row.metrics)}/{whole}",
        "metric": row.head_metric,
        "mean": sum(found) / len(found) if found else None,
    }


def _report(found: Imported) -> None:
    """Say what was skipped; raise, after all else is done, where files were faulty."""
    from harness.cli.progress import reporter_for_stderr

    if found.skipped:
        more = f" (and {len(found.skipped) - 1} more)" if len(found.skipped) > 1 else ""
        reporter_for_stderr().note(f"skipped: {found.skipped[0]}{more}")
    _raise_for(len(found.problems), [problem.message for problem in found.problems])


def _raise_for(count: int, messages: list[str]) -> None:
    """Name what could not be read, then raise so that the exit code tells."""
    from harness.cli.progress import reporter_for_stderr
    from harness.core.errors import BadInput

    for message in messages:
        reporter_for_stderr().warn(message)
    if count:
        raise BadInput(
            f"{count} {'file was' if count == 1 else 'files were'} left out, named above",
            fix="Fix or remove what is named; all else is done.",
        )


def _wanted_row(row: ImportedRow, models: str | None, tasks: str | None) -> bool:
    """Tell whether the filters let an imported row through."""
    from harness.core.names import split_names

    if models and row.model not in split_names(models):
        return False
    return not tasks or not {row.group, *row.metrics}.isdisjoint(split_names(tasks))
