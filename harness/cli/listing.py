"""`rebench models` and `rebench tasks`: what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import JsonOption, settings_from

if TYPE_CHECKING:
    from models.card import ModelCard


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Show this model's card.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models, or show one model's card and its query on every kind of task."""
    from harness.cli.console import print_card, print_table
    from models.registry import described_card, resolve_model, shipped_cards
    from models.spec import LoadOptions

    if name is not None:
        card = described_card(resolve_model(name, LoadOptions(), settings_from().models))
        print_card(card, rendered_queries(card), as_json=as_json)
        return
    rows = [
        {
            "model": card.name,
            "backend": card.backend,
            "parameters": card.parameters or None,
            "dimension": card.dimension or None,
            "query length": card.max_query_length or None,
            "document length": card.max_document_length or None,
            "licence": card.licence,
        }
        for card in shipped_cards().values()
    ]
    spare = ("licence", "query length", "document length")
    print_table("models", rows, as_json=as_json, spare=spare)


def tasks(as_json: JsonOption = False) -> None:
    """List the tasks with their group, sizes, head metric, floor, source and licence.

    The floor is nDCG@10 of one fixed list, the same for every query, made from the gold of the
    other queries: what a task gives away without reading the query.
    """
    from harness.cli.console import print_table
    from harness.data.registry import task_rows
    from harness.pipelines.floors import task_floors

    floors = task_floors()
    rows = [
        {
            "task": row.name,
            "group": row.group,
            "queries": row.queries,
            "documents": row.documents,
            "head metric": row.head_metric,
            "floor": floors[row.name],
            "source": row.source,
            "licence": row.licence,
        }
        for row in task_rows()
    ]
    print_table("tasks", rows, as_json=as_json, spare=("licence", "source"))


def rendered_queries(card: ModelCard) -> list[tuple[str, str]]:
    """Return (task, what the model reads for the query `…`) for every named task."""
    from harness.data.registry import task_wordings
    from models.prompts import render

    return [
        (task, f"{render(card, 'query', wording)}…") for task, wording in task_wordings().items()
    ]
