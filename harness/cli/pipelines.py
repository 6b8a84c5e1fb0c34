"""`rebench pipelines`: the recipes that are known, and the file of one to copy."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import JsonOption, settings_from


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
            "stages": " → ".join(stage.kind for stage in each.stages),
            "needs": each.needs,
        }
        for each in known_pipelines(settings_from()).values()
    ]
    print_table("Pipelines", rows, as_json=as_json, spare=("needs", "stages"))
