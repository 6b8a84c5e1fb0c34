"""`rebench models` and `rebench tasks`: what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import JsonOption, settings_from

if TYPE_CHECKING:
    from models.card import ModelCard
    from models.repository import RepositoryCheck
    from models.rerankers.card import RerankerCard


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Show this model's card.")
    ] = None,
    template: Annotated[
        bool,
        typer.Option("--template", help="Print the chat template with which a reranker is served."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models, or show one model's card and its query on every kind of task.

    Rerankers and models that rewrite queries are listed below the retrievers, with how each is
    run.
    """
    from harness.cli.console import print_card, print_json, print_table, print_text
    from models.chat.rewriters import find_rewriter, shipped_rewriters
    from models.registry import described_card, resolve_model, shipped_cards
    from models.repository import check_repository
    from models.rerankers.shipped import reranker_called
    from models.spec import LoadOptions

    reranker = reranker_called(name or "")
    if template:
        print_text(_template(name, reranker))
        return
    if reranker is not None:
        _show_reranker(reranker, as_json=as_json)
        return
    if name in shipped_rewriters():
        rewriter = find_rewriter(name or "")
        _show({**rewriter.json, "stage": rewriter.example}, as_json=as_json)
        return
    if name is not None:
        spec = resolve_model(name, LoadOptions(), settings_from().models)
        card = described_card(spec)
        facts = {
            "bytes_a_document": document_bytes(card),
            "repository": _repository(check_repository(spec, ask_hub="/" in name)),
        }
        print_card(card, rendered_queries(card), facts, as_json=as_json)
        return
    rows = [
        {
            "model": card.name,
            "backend": card.backend,
            "parameters": card.parameters or None,
            "dimension": card.dimension or None,
            "query length": card.max_query_length or None,
            "document length": card.max_document_length or None,
            "bytes a document": document_bytes(card),
            "licence": card.licence,
        }
        for card in shipped_cards().values()
    ]
    rerankers, rewriters = _reranker_rows(), _rewriter_rows()
    if as_json:
        print_json([*rows, *rerankers, *rewriters])
        return
    spare = ("licence", "query length", "document length", "bytes a document")
    print_table("models", rows, as_json=False, spare=spare)
    print_text("")
    print_table("rerankers", rerankers, as_json=False, spare=("licence", "parameters"))
    print_text("")
    print_table("rewriters", rewriters, as_json=False, spare=("licence",))


def _repository(check: RepositoryCheck | None) -> object:
    """Return what is shown of a card's repository; `None`: nothing."""
    if check is None:
        return None
    if check.unknown:
        return f"not compared: {check.unknown}"
    told = {each.setting: f"{each.repository!r}; the card wins" for each in check.differences}
    return told or "says what the card says"


def document_bytes(card: ModelCard) -> int | None:
    """Return the most that a document's vectors take in the cache; `None` where a card is silent.

    A late-interaction model has a vector for each of a document's tokens, others one. Float32; the
    entry of a task tells the mean (`bytes_per_document`), and --token-storage makes it less.
    """
    from harness.cache.codecs.multi_vector import token_bytes
    from models.registry import LATE, SPARSE

    if not card.dimension or card.backend == SPARSE:
        return None
    tokens = card.max_document_length if card.backend == LATE else 1
    storage = str(card.options.get("token_storage") or "float32")
    return tokens * token_bytes(card.dimension, storage) or None


def _reranker_rows() -> list[dict[str, object]]:
    """Return a row for each reranker that ships, with what runs it."""
    from models.rerankers.card import CHAT_METHODS, SERVED
    from models.rerankers.shipped import shipped_rerankers

    def runs(card: RerankerCard) -> str:
        if card.method in CHAT_METHODS:
            return "--llm and --prompts" if card.own_prompt else "--llm"
        if card.method == SERVED:
            return "a server"
        return "--trust-remote-code, or a server" if card.remote_code else "here, or a server"

    return [
        {
            "reranker": card.name,
            "method": card.method,
            "runs with": runs(card),
            "parameters": card.parameters or None,
            "licence": card.licence,
        }
        for card in shipped_rerankers().values()
    ]


def _rewriter_rows() -> list[dict[str, object]]:
    """Return a row for each model that rewrites queries, and one for any chat model."""
    from models.chat.rewriters import shipped_rewriters

    rows: list[dict[str, object]] = [
        {
            "rewriter": card.name,
            "method": card.method,
            "runs with": "llm and prompts",
            "licence": card.licence,
        }
        for card in shipped_rewriters().values()
    ]
    methods = "reason, hyde, query2doc, concise"
    any_model = {"rewriter": "any chat model", "method": methods, "runs with": "llm"}
    return [*rows, {**any_model, "licence": None}]


def _show(values: dict[str, object], *, as_json: bool) -> None:
    """Print a card."""
    from harness.cli.console import print_fields, print_json

    if as_json:
        print_json(values)
        return
    print_fields(values)


def _show_reranker(card: RerankerCard, *, as_json: bool) -> None:
    """Print a reranker's card, what its scores are, and the commands that run it."""
    from harness.api.local_rerankers import how_to_run
    from models.rerankers.card import METHODS, reranker_json

    values = {**reranker_json(card), "scores": METHODS[card.method], "run": how_to_run(card)}
    _show(values, as_json=as_json)


def _template(name: str | None, card: RerankerCard | None) -> str:
    """Return a reranker's chat template; raises `BadInput` for what has none."""
    from harness.core.errors import BadInput

    if card is None or not card.template:
        raise BadInput(
            f"{name or 'a list'} has no template of a reranker",
            fix="Name a reranker of the method yes-no, such as qwen3-reranker-0.6b.",
        )
    return card.jinja


def tasks(
    group: Annotated[
        str | None, typer.Argument(metavar="GROUP", help="Only the tasks of this group.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the tasks with their group, sizes, head metric, floor, source and licence.

    Tasks that are not listed are named as hub:ORG/NAME[@REV][:SUBSET][#SPLIT], or by their folder.

    The floor is nDCG@10 of one fixed list, the same for every query, made from the gold of the
    other queries: what a task gives away without reading the query.
    """
    from harness.cli.console import print_table, print_wrapped
    from harness.data.registry import group_members, groups, task_rows
    from harness.pipelines.floors import task_floors

    wanted = None if group is None else group_members(group)
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
        if wanted is None or row.name in wanted
    ]
    print_table("tasks", rows, as_json=as_json, spare=("licence", "source"))
    if group is None and not as_json:
        sizes = ", ".join(f"{name} {len(members)}" for name, members in groups().items())
        print_wrapped(f"groups: {sizes}; `rebench tasks GROUP` lists one")


def rendered_queries(card: ModelCard) -> list[tuple[str, str]]:
    """Return (task, what the model reads for the query `…`) for every named task."""
    from harness.data.registry import task_wordings
    from models.prompts import render

    return [
        (task, f"{render(card, 'query', wording)}…") for task, wording in task_wordings().items()
    ]
