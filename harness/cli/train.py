"""`rebench train`: from a recipe to an exported model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer


def run(
    recipe: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A TOML file, or a recipe that ships: demo, …")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="PATH", help="Rows: a JSONL file, a folder, a hub data set."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Default: trained/NAME.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set loss.kind=infonce"),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the recipe as it would be run, and stop.")
    ] = False,
) -> None:
    """Train a model by a recipe; `rebench eval --model DIR/model` takes what comes out.

    Several GPUs: torchrun --nproc-per-node 8 --no-python rebench train paper-qwen3-8b

    Example: rebench train demo --data rows.jsonl --output trained/demo
    """
    from harness.api.training import read_recipe
    from harness.cli.console import print_json, print_text
    from redapter.config_file import config_json

    if show:
        print_json(config_json(read_recipe(recipe, data, settings or ())))
        return
    model = _train(recipe, data, output, settings or (), resume=resume)
    if model is not None:
        print_text(str(model))


def _train(
    recipe: str, data: str | None, output: Path | None, settings: Sequence[str], *, resume: bool
) -> Path | None:
    """Train and return the model's folder; nothing on all but the first of several processes."""
    import os

    from harness.api.training import train
    from harness.cli.progress import reporter_for_stderr
    from harness.core.progress import SilentReporter

    first = os.environ.get("RANK", "0") == "0"
    reporter = reporter_for_stderr() if first else SilentReporter()
    done = train(
        recipe, data=data, output=output, settings=settings, resume=resume, progress=reporter
    )
    state = "was finished already" if done.reused else f"trained in {done.steps} steps"
    reporter.note(f"{done.name} {state}; the report is {done.report}")
    return done.model if first else None
