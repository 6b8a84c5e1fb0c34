"""`rebench pipelines`: the recipes that are known, and the file of one to copy."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import JsonOption, settings_from

if TYPE_CHECKING:
    from harness.pipelines.staged.pipeline import Pipeline


def run(
    name: Annotated[
        str | None, typer.Argument(metavar="PIPELINE", help="Print this recipe's file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the pipelines: published recipes, and those of rebench.toml.

    A recipe needs models and servers of yours: print its file, change the addresses, and run it
    with `rebench eval --pipeline FILE`.

    Example: rebench pipelines diver-v2 > diver.toml
    """
    from harness.api.pipelining import known_pipelines, recipe_text
    from harness.cli.console import print_table, print_text

    if name is not None:
        print_text(recipe_text(name))
        return
    rows = [
        {
            "pipeline": each.name,
            "title": each.title,
            "stages": _kinds(each),
            "needs": each.needs,
        }
        for each in known_pipelines(settings_from()).values()
    ]
    print_table("Pipelines", rows, as_json=as_json, spare=("needs", "stages"))


def _kinds(pipeline: Pipeline) -> str:
    """Return the kinds of stages in their order, equal neighbours counted."""
    counted = [
        (kind, len(list(same))) for kind, same in groupby(stage.kind for stage in pipeline.stages)
    ]
    return " → ".join(kind if count == 1 else f"{count} × {kind}" for kind, count in counted)
