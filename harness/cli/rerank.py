"""`rebench rerank`: a stored system or a run file, its first documents ordered anew."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.option_groups import flattened
from harness.cli.options import (
    CacheOption,
    DataOption,
    JsonOption,
    QueriesOption,
    ResultsOption,
    command_line,
)
from harness.cli.remix_options import BudgetOptions, LlmOptions
from harness.cli.rerank_options import (
    ChatGroup,
    LocalGroup,
    ServerGroup,
    chat_options,
    local_options,
)


@flattened
def run(
    name_or_run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A measured system, a run file ({task} in a path is a task), or candidates:NAME "
            "for a task's own lists.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="MODEL",
            help="A reranker of `rebench models`, a cross-encoder's folder or hub id, or a URL.",
        ),
    ],
    tasks: shared.TasksChoice = "",
    depth: Annotated[int, typer.Option("--depth", metavar="N", help="Documents reranked.")] = 100,
    blend: Annotated[
        float, typer.Option("--blend", metavar="B", help="Share of the reranker: 1 is all.")
    ] = 1.0,
    norm: Annotated[
        str, typer.Option("--norm", metavar="NAME", help="Of both sides of a blend.")
    ] = "min-max",
    tail: Annotated[
        str, typer.Option("--tail", metavar="RULE", help="Documents below: keep or cut.")
    ] = "keep",
    long: Annotated[
        str, typer.Option("--long", metavar="RULE", help="Long documents: cut, or passages.")
    ] = "cut",
    queries: QueriesOption = "original",
    query_set: shared.QuerySetChoice = "",
    name: Annotated[str, typer.Option("--name", metavar="N", help="Name of the new entry.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Repeat what is stored.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
    cache: CacheOption = None,
    *,
    local: LocalGroup,
    server: ServerGroup,
    llm: LlmOptions,
    chat: ChatGroup,
    budget: BudgetOptions,
) -> None:
    """Rerank the first documents of a run with a cross-encoder or a chat model, and store it.

    Scores and replies are kept: another depth or blend loads no model. Documents and queries are
    needed; the reranker reads the queries of --queries, whatever the run was made with. Chat models
    rerank as llm-listwise, llm-groups, llm-score, llm-rubric or llm-yes-no.

    Example: rebench rerank bm25 --with BAAI/bge-reranker-v2-m3 --depth 100 --tasks stdlib
    """
    from harness.api.named_rerankers import RerankerOptions, ServerOptions
    from harness.api.piping import rerank
    from harness.cli.console import print_outcomes
    from harness.cli.progress import reporter_for_stderr

    options = RerankerOptions(
        local_options(local),
        ServerOptions(server.server_model, server.api_key_env),
        chat_options(llm, chat, budget),
    )
    found = rerank(
        name_or_run,
        model,
        tasks,
        name=name,
        depth=depth,
        blend=blend,
        norm=norm,
        tail=tail,
        long=long,
        queries=queries,
        query_set=query_set,
        options=options,
        force=force,
        command=command_line(),
        results=results,
        cache=cache,
        data=data,
        progress=reporter_for_stderr(),
    )
    print_outcomes(list(found.outcomes), as_json=as_json)
