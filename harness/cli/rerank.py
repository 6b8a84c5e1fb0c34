"""`rebench rerank`: a stored system or a run file, its first documents ordered anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import comparing as shared
from harness.cli.options import (
    CacheOption,
    DataOption,
    JsonOption,
    QueriesOption,
    ResultsOption,
    command_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.compare.selection import NamedTasks
    from harness.core.settings import Settings
    from harness.core.types import Task
    from harness.pipelines.rerank_ports import PairScorer


def run(
    name_or_run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A measured system, or a run file; {task} in a path is a task."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--with", metavar="MODEL", help="A cross-encoder's folder or hub id, or a server's URL."
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
    max_length: Annotated[
        int, typer.Option("--max-length", metavar="N", help="Tokens of query and passage.")
    ] = 0,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda:0 …")] = "",
    server_model: Annotated[
        str, typer.Option("--server-model", metavar="NAME", help="The model a server serves.")
    ] = "",
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", metavar="VAR", help="Variable with a server's key.")
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="N", help="Name of the new entry.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Repeat what is stored.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    results: ResultsOption = None,
    cache: CacheOption = None,
) -> None:
    """Rerank the first documents of a run with a cross-encoder, and store the result.

    Scores are kept: another depth or blend loads no model. Documents and queries are needed; the
    reranker reads the queries of --queries, whatever the run was made with.

    Example: rebench rerank bm25 --with BAAI/bge-reranker-v2-m3 --depth 100 --tasks stdlib
    """
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
    if model.startswith(("http://", "https://")):
        scorer = _served(model, server_model, api_key_env, max_length, device)
    else:
        scorer = _local(model, server_model, api_key_env, max_length, device)
    named = named_tasks(tasks, entries)
    reader = EntryReader(session.store)
    load = _loader(settings, named, queries)
    source = PartSource(entries, reader, load, reporter, query_set)
    parts = find_parts([name_or_run], named.only(query_set), source, least=1)
    needs = RerankNeeds(reader, load, settings.cache_dir, reporter)
    config = EvalConfig(force=force, command=command_line())
    found = rerank(parts, scorer, how, needs, config, name)
    print_outcomes(list(found.values()), as_json=as_json)


def _served(url: str, name: str, variable: str, max_length: int, device: str) -> PairScorer:
    """Return the reranker behind a URL; what only a local model takes is refused."""
    import os

    from harness.core.errors import BadInput
    from harness.core.secrets import NO_KEY, key_from
    from models.backends.rerank_server import ServerReranker

    if max_length or device:
        raise BadInput(
            "--max-length and --device are for models that run here, and --with names a server",
            fix="Leave them out; the server decides both.",
        )
    key = key_from(os.environ, [variable]) if variable else NO_KEY
    if variable and not key:
        raise BadInput(
            f"the environment variable {variable} holds no API key",
            fix=f"Set {variable}, or leave --api-key-env out for a server without keys.",
        )
    return ServerReranker(url, name, key)


def _local(name: str, served: str, variable: str, max_length: int, device: str) -> PairScorer:
    """Return the cross-encoder of a folder or hub id; what only a server takes is refused."""
    from harness.core.errors import BadInput
    from models.backends.cross_encoder import CrossEncoderReranker, reranker_card

    if served or variable:
        raise BadInput(
            "--server-model and --api-key-env are for a server, and --with names none",
            fix="Leave them out, or name the server: --with http://HOST:PORT/v1/rerank",
        )
    return CrossEncoderReranker(reranker_card(name), device=device, max_length=max_length)


def _loader(settings: Settings, named: NamedTasks, queries: str) -> Callable[[str], Task]:
    """Return what loads a task with its documents, each once."""
    from functools import cache

    from harness.data.registry import TaskOptions, load_task

    options = TaskOptions(data_dir=settings.data_dir, query_set=queries, with_corpus=True)
    return cache(lambda task: load_task(str(named.folders.get(task, task)), options))
