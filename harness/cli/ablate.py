"""`rebench ablate`: trains the variants of a recipe, measures them, and writes what differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    from harness.ablation.ports import Dependencies
    from harness.ablation.results import AblationResult
    from harness.ablation.spec import AblationSpec
    from harness.core.protocols import Retriever
    from harness.core.settings import Settings
    from harness.core.types import Task
    from models.chat.protocol import ChatModel
    from remixer.stages.scorers import CandidateScorer

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
    from harness.ablation.spec import read_spec

    spec = _restrict(read_spec(ablation, preset), variants, seeds, tasks)
    places = settings_from(results=results, data=data, cache=cache)
    root = output or default_root(spec)
    needs = _dependencies(spec, places, root, tuple(settings or ()))
    if plan:
        _print_plan(spec, needs, root, as_json=as_json)
        return
    _check_needs(spec, needs)
    _show(_run(spec, needs, places, root), root, as_json=as_json)


def _restrict(spec: AblationSpec, variants: str, seeds: str, tasks: str) -> AblationSpec:
    """Return the ablation with what the command line asks for."""
    from harness.ablation.spec import restrict
    from harness.core.errors import BadInput
    from harness.data.registry import resolve_tasks

    try:
        numbers = [int(part) for part in _parts(seeds)]
    except ValueError as error:
        raise BadInput(f"--seeds {seeds!r}", fix="Give whole numbers: --seeds 1,2,3") from error
    named = [task for part in _parts(tasks) or spec.tasks for task in resolve_tasks(part)]
    return restrict(spec, variants=_parts(variants), seeds=numbers, tasks=named)


def _parts(text: str) -> list[str]:
    """Return the parts of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass(frozen=True, slots=True)
class _RemixModels:
    """`harness.ablation.training_data.RemixModels` from the names that `rebench remix` takes."""

    settings: Settings

    def chat(self, llm: str, name: str, *, tolerant: bool) -> ChatModel | None:
        from harness.cli.remix_tools import ChatFlags, chat_model

        return chat_model(ChatFlags(llm or None, name, tolerant=tolerant))

    def retriever(self, name: str) -> Retriever:
        from harness.cli.remix_options import EmbedderOptions
        from harness.cli.remix_tools import mining_retriever

        return mining_retriever(EmbedderOptions(name), self.settings)

    def scorer(self, annotator: str, embedder: str) -> CandidateScorer | None:
        from harness.cli.remix_tools import scorer_for

        return scorer_for(annotator, embedder, self.settings)


def _dependencies(
    spec: AblationSpec, places: Settings, root: Path, settings: tuple[str, ...]
) -> Dependencies:
    """Return what the ablation works with; nothing heavy is loaded yet."""
    from harness.ablation.ports import Dependencies
    from harness.ablation.redapter import RedapterTrainer
    from harness.ablation.training_data import RemixData
    from harness.cli.progress import reporter_for_stderr
    from harness.data.registry import TaskOptions, load_task
    from harness.loading import retriever

    reporter = reporter_for_stderr()

    def make_retriever(name: str, cache: Path | None) -> Retriever:
        return retriever(name, places if cache is None else replace(places, cache_dir=cache))

    def load(name: str) -> Task:
        return load_task(name, TaskOptions(places.data_dir), reporter)

    return Dependencies(
        trainer=RedapterTrainer(spec.base, settings),
        data=RemixData(root, places.data_dir, _RemixModels(places)),
        retriever=make_retriever,
        load_task=load,
        reporter=reporter,
    )


def _check_needs(spec: AblationSpec, needs: Dependencies) -> None:
    """Say what the ablation needs, and stop if this machine lacks it."""
    from harness.ablation.needs import absent
    from harness.core.errors import BadInput

    for fact in spec.needs.facts:
        needs.reporter.note(fact)
    lacking = absent(spec.needs)
    if lacking:
        raise BadInput(
            f"this machine lacks what {spec.name} needs: {'; '.join(lacking)}",
            fix="Run it where those are, or try the small one: rebench ablate redapter",
        )


def _run(spec: AblationSpec, needs: Dependencies, places: Settings, root: Path) -> AblationResult:
    from importlib.metadata import version

    from harness.ablation.execute import Workspace
    from harness.ablation.run import run_ablation
    from harness.data.local_tasks import DataLocations
    from results.store import ResultStore

    folders = {Path(task).resolve().name: Path(task) for task in spec.tasks if Path(task).is_dir()}
    workspace = Workspace(root, ResultStore(places.results_dir), command_line())
    where = DataLocations(places.data_dir, folders)
    return run_ablation(spec, needs, workspace, where, version("rebench"))


def _show(ablation: AblationResult, root: Path, *, as_json: bool) -> None:
    """Write the report, print the table, and say which runs failed."""
    from harness.ablation.report import write_report
    from harness.ablation.results import result_json
    from harness.cli.ablate_show import print_result
    from harness.cli.console import print_json
    from harness.core.errors import ModelError

    report = write_report(ablation, root)
    if as_json:
        print_json(result_json(ablation))
    else:
        print_result(ablation, report)
    failed = ablation.failed
    if failed:
        first = failed[0]
        raise ModelError(
            f"{len(failed)} of {len(ablation.results)} runs failed, the first of them "
            f"{first.run.variant} with seed {first.run.seed}: {first.record.failure}",
            fix="The others are in the report. The same command tries the failed ones again.",
        )


def _print_plan(spec: AblationSpec, needs: Dependencies, root: Path, *, as_json: bool) -> None:
    from harness.ablation.plan import preview
    from harness.cli.ablate_show import print_preview

    print_preview(preview(spec, needs, root), as_json=as_json)
