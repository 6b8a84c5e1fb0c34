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
)

if TYPE_CHECKING:
    from harness.ablation.ports import Dependencies
    from harness.ablation.spec import AblationSpec
    from harness.api.training import AblationOutcome

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key for every variant."),
]


def run(
    ablation: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="redapter, remixer, pipeline, or a TOML file."),
    ],
    pipeline: Annotated[
        str, typer.Argument(metavar="[PIPELINE]", help="For pipeline: its FILE[#NAME], or a name.")
    ] = "",
    preset: Annotated[
        str,
        typer.Option("--preset", metavar="P", help="demo (default), demo-full, control, paper-8b."),
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

    `ablate pipeline NAME` trains nothing: it leaves each stage out in turn. Finished data, runs and
    entries are reused; the same command goes on where one was stopped.

    Example: rebench ablate redapter --plan
    """
    if pipeline or ablation == PIPELINE:
        given = {
            "--preset": preset, "--variants": variants, "--seeds": seeds, "--set": settings,
            "--plan": plan,
        }  # fmt: skip
        _refuse_training_options(ablation, pipeline, [key for key, value in given.items() if value])
        _ablate_pipeline(
            pipeline, tasks or "bright", output, (results, cache, data), as_json=as_json
        )
        return
    from harness.ablation.control.files import with_control
    from harness.api.session import open_session
    from harness.api.training import ablate, ablation_folder, ablation_spec, dependencies
    from harness.cli.progress import reporter_for_stderr
    from harness.core.names import split_names

    chosen = ablation_spec(
        ablation, preset, split_names(variants), _numbers(seeds), split_names(tasks)
    )
    changes, reporter = tuple(settings or ()), reporter_for_stderr()
    root = ablation_folder(chosen, output)
    if plan:
        chosen = with_control(chosen, root)
        session = open_session(results=results, cache=cache, data=data, progress=reporter)
        needs = dependencies(chosen, session, root, changes)
        _print_plan(chosen, needs, root, as_json=as_json)
        return
    done = ablate(
        chosen,
        settings=changes,
        output=root,
        command=command_line(),
        results=results,
        cache=cache,
        data=data,
        progress=reporter,
    )
    _show(done, as_json=as_json)


PIPELINE = "pipeline"
"""The ablation that trains nothing."""

_Folders = tuple[Path | None, Path | None, Path | None]


def _refuse_training_options(ablation: str, pipeline: str, given: list[str]) -> None:
    """Raise `BadInput` for what does not go with `ablate pipeline NAME`."""
    from harness.core.errors import BadInput

    if ablation != PIPELINE:
        raise BadInput(
            f"{ablation} takes no second name, and {pipeline!r} is one",
            fix=f"Write `rebench ablate pipeline {pipeline}`.",
        )
    if not pipeline:
        raise BadInput("no pipeline is named", fix="Write `rebench ablate pipeline FILE[#NAME]`.")
    if given:
        raise BadInput(
            f"{given[0]} is for ablations that train, and a pipeline is not trained",
            fix="Leave it out.",
        )


def _ablate_pipeline(
    name: str, tasks: str, output: Path | None, folders: _Folders, *, as_json: bool
) -> None:
    """Leave out each part of a pipeline, and print and write what each brings."""
    from harness.api.ablating_pipelines import ablate_pipeline, report_text
    from harness.api.pipelining import find_pipeline
    from harness.api.session import open_session
    from harness.cli.console import print_json, print_text
    from harness.cli.progress import reporter_for_stderr
    from harness.core.files import write_text
    from harness.core.paths import check_folder

    results, cache, data = folders
    reporter = reporter_for_stderr()
    session = open_session(results=results, cache=cache, data=data, progress=reporter)
    found = find_pipeline(name, session.settings)
    folder = output or Path("ablations") / f"pipeline-{found.name}"
    check_folder(folder)
    done = ablate_pipeline(found, tasks, results=results, cache=cache, data=data, progress=reporter)
    folder.mkdir(parents=True, exist_ok=True)
    text = report_text(done)
    write_text(folder / "report.md", text)
    if as_json:
        print_json(done.to_dict())
    else:
        print_text(text.rstrip())


def _numbers(seeds: str) -> list[int]:
    """Return the seeds of a comma-separated list; raises `BadInput`."""
    from harness.core.errors import BadInput
    from harness.core.names import split_names

    try:
        return [int(part) for part in split_names(seeds)]
    except ValueError as error:
        raise BadInput(f"--seeds {seeds!r}", fix="Give whole numbers: --seeds 1,2,3") from error


def _show(done: AblationOutcome, *, as_json: bool) -> None:
    """Print the table, and say which runs failed."""
    from harness.cli.ablate_show import print_result
    from harness.cli.console import print_json
    from harness.core.errors import ModelError

    ablation = done.ablation
    if as_json:
        print_json(done.to_dict())
    else:
        print_result(ablation, done.report)
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
