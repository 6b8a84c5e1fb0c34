"""`rebench ablate`: trains the variants of a recipe, measures them, and writes what differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    CacheOption,
    DataOption,
    JsonOption,
    ResultsOption,
    command_line,
    settings_from,
)

if TYPE_CHECKING:
    from harness.ablation.content import Outcome
    from harness.ablation.spec import Spec
    from harness.ablation.tools import Tools
    from harness.core.settings import Settings

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key for every variant."),
]


def run(
    ablation: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="redapter, remixer, or a TOML file.")
    ],
    preset: Annotated[
        str, typer.Option("--preset", metavar="P", help="Of a name: demo (the default), paper-8b.")
    ] = "",
    variants: Annotated[
        str,
        typer.Option("--variants", metavar="NAME[,NAME…]", help="Or all [default: the main ones]."),
    ] = "",
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="N[,N…]", help="Instead of the file's own.")
    ] = "",
    tasks: Annotated[
        str, typer.Option("--tasks", "-t", metavar="NAME[,NAME…]", help="As in `rebench eval`.")
    ] = "",
    settings: SetOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Default: ablations/NAME."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the runs and what is reused, and stop.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
    cache: CacheOption = None,
) -> None:
    """Train the variants of a recipe with several seeds, measure each, and report what differs.

    Finished data, runs and entries are reused; the same command goes on where one was stopped.

    Example: rebench ablate redapter --plan
    """
    from harness.ablation.run import default_root
    from harness.ablation.spec_file import read_spec

    spec = _cut(read_spec(ablation, preset), variants, seeds, tasks)
    places = settings_from(results=results, data=data, cache=cache)
    root = output or default_root(spec)
    tools = _tools(spec, places, root, tuple(settings or ()))
    if plan:
        _print_plan(spec, tools, root, as_json=as_json)
        return
    _check_needs(spec, tools)
    outcome = _run(spec, tools, places, root)
    _show(outcome, root, as_json=as_json)


def _cut(spec: Spec, variants: str, seeds: str, tasks: str) -> Spec:
    """Return the ablation with what the command line asks for."""
    from harness.ablation.spec_file import cut
    from harness.core.errors import BadInput
    from harness.data.registry import resolve_tasks

    try:
        numbers = [int(part) for part in _parts(seeds)]
    except ValueError as error:
        raise BadInput(f"--seeds {seeds!r}", fix="Give whole numbers: --seeds 1,2,3") from error
    named = [task for part in _parts(tasks) or spec.tasks for task in resolve_tasks(part)]
    return cut(spec, variants=_parts(variants), seeds=numbers, tasks=named)


def _parts(text: str) -> list[str]:
    """Return the parts of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _tools(spec: Spec, places: Settings, root: Path, settings: tuple[str, ...]) -> Tools:
    """Return what the ablation works with; nothing heavy is loaded yet."""
    from dataclasses import replace

    from harness.ablation.tools import Tools
    from harness.cli.ablate_data import DataMaker
    from harness.cli.ablate_train import RedapterTrainer
    from harness.cli.build import retriever
    from harness.cli.progress import reporter_for_stderr
    from harness.core.protocols import Retriever
    from harness.core.types import Task
    from harness.data.registry import TaskOptions, load_task

    reporter = reporter_for_stderr()

    def make_retriever(name: str, cache: Path | None) -> Retriever:
        return retriever(name, places if cache is None else replace(places, cache_dir=cache))

    def load(name: str) -> Task:
        return load_task(name, TaskOptions(places.data_dir), reporter)

    trainer = RedapterTrainer(spec.base, settings)
    return Tools(trainer, DataMaker(root, places), make_retriever, load, reporter)


def _check_needs(spec: Spec, tools: Tools) -> None:
    """Say what the ablation needs, and stop where this machine lacks it."""
    from harness.cli.ablate_needs import absent

    for fact in spec.needs.facts:
        tools.reporter.note(fact)
    lacking = absent(spec.needs)
    if lacking:
        from harness.core.errors import BadInput

        raise BadInput(
            f"this machine lacks what {spec.name} needs: {'; '.join(lacking)}",
            fix="Run it where those are, or try the small one: rebench ablate redapter",
        )


def _run(spec: Spec, tools: Tools, places: Settings, root: Path) -> Outcome:
    """Run the ablation."""
    from importlib.metadata import version

    from harness.ablation.execute import Site
    from harness.ablation.run import run_ablation
    from harness.compare.insight import Places
    from results.store import ResultStore

    folders = {Path(task).resolve().name: Path(task) for task in spec.tasks if Path(task).is_dir()}
    site = Site(root, ResultStore(places.results_dir), command_line())
    where = Places(places.data_dir, folders)
    return run_ablation(spec, tools, site, where, version("rebench"))


def _show(outcome: Outcome, root: Path, *, as_json: bool) -> None:
    """Write the report, print the table, and say which runs failed."""
    from harness.ablation.content import outcome_json
    from harness.ablation.report import write_report
    from harness.cli.ablate_show import print_outcome
    from harness.cli.console import print_json
    from harness.core.errors import ModelError

    report = write_report(outcome, root)
    if as_json:
        print_json(outcome_json(outcome))
    else:
        print_outcome(outcome, report)
    failed = outcome.failed
    if failed:
        first = failed[0]
        raise ModelError(
            f"{len(failed)} of {len(outcome.results)} runs failed, the first of them "
            f"{first.run.variant} with seed {first.run.seed}: {first.record.failure}",
            fix="The others are in the report. The same command tries the failed ones again.",
        )


def _print_plan(spec: Spec, tools: Tools, root: Path, *, as_json: bool) -> None:
    """Print what would be run."""
    from harness.ablation.preview import preview
    from harness.cli.ablate_show import print_preview

    print_preview(preview(spec, tools, root), as_json=as_json)
