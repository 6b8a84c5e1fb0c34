"""`rebench rerank`: a stored system or a run file, its first documents ordered anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.compare.selection import NamedTasks
    from harness.core.settings import Settings
    from harness.core.types import Task


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
    from harness.api.named_rerankers import RerankerOptions, ServerOptions, reranker_named
    from harness.api.session import open_session
    from harness.cli.console import print_outcomes
    from harness.cli.progress import reporter_for_stderr
    from harness.compare.selection import named_tasks
    from harness.derived import EntryReader
    from harness.evaluate import EvalConfig
    from harness.pipelines.parts import PartSource, find_parts
    from harness.pipelines.rerank import RerankSettings
    from harness.pipelines.rerank_entry import RerankNeeds, rerank

    how = RerankSettings(depth, blend, norm, tail, long)
    reporter = reporter_for_stderr()
    session = open_session(results=results, data=data, cache=cache, progress=reporter)
    settings, entries = session.settings, session.entries()
    options = RerankerOptions(
        local_options(local),
        ServerOptions(server.server_model, server.api_key_env),
        chat_options(llm, chat, budget),
    )
    scorer = reranker_named(model, settings.cache_dir, options)
    named = named_tasks(tasks, entries)
    reader = EntryReader(session.store)
    load = _loader(settings, named, queries)
    source = PartSource(entries, reader, load, reporter, query_set)
    parts = find_parts([name_or_run], named.only(query_set), source, least=1)
    needs = RerankNeeds(reader, load, settings.cache_dir, reporter)
    config = EvalConfig(force=force, command=command_line())
    found = rerank(parts, scorer, how, needs, config, name)
    print_outcomes(list(found.values()), as_json=as_json)


def _loader(settings: Settings, named: NamedTasks, queries: str) -> Callable[[str], Task]:
    """Return what loads a task with its documents, each once."""
    from functools import cache

    from harness.data.registry import TaskOptions, load_task

    options = TaskOptions(data_dir=settings.data_dir, query_set=queries, with_corpus=True)
    return cache(lambda task: load_task(str(named.folders.get(task, task)), options))
