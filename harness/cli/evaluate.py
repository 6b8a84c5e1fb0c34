"""`rebench eval`: from models' names to measured entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as opt
from harness.core.errors import BadInput

if TYPE_CHECKING:
    from harness.core.protocols import Reporter
    from harness.core.settings import Settings
    from harness.data.registry import TaskOptions
    from harness.evaluate import EvalConfig, Outcome
    from harness.loading import RunOptions


def run(
    model: opt.ModelOption = "",
    pipeline: Annotated[
        str,
        typer.Option(
            "--pipeline",
            metavar="FILE[#NAME]",
            help="A pipeline's file, or a name of `rebench pipelines`, in place of models.",
        ),
    ] = "",
    tasks: opt.TasksOption = "bright",
    queries: opt.QueriesOption = "original",
    k: Annotated[int, typer.Option("-k", help="Documents kept for each query.")] = 1000,
    force: Annotated[bool, typer.Option("--force", help="Repeat what is measured.")] = False,
    as_json: opt.JsonOption = False,
    data: opt.DataOption = None,
    results: opt.ResultsOption = None,
    cache: opt.CacheOption = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep no vectors and use none that are kept.")
    ] = False,
    index: Annotated[
        str,
        typer.Option("--index", metavar="FACTORY", help="Search a FAISS index; recall is told."),
    ] = "",
    memory: Annotated[
        str,
        typer.Option(
            "--memory", metavar="SIZE", help="Bound for dense vectors and scores, such as 4GB."
        ),
    ] = "",
    device: opt.DeviceOption = "",
    backend: opt.BackendOption = "",
    weights: opt.WeightsOption = "",
    revision: opt.RevisionOption = "",
    dtype: opt.DtypeOption = "",
    max_length: opt.MaxLengthOption = 0,
    pooling: opt.PoolingOption = "",
    normalize: opt.NormalizeOption = None,
    similarity: opt.SimilarityOption = "",
    query_instruction: opt.QueryInstructionOption = None,
    document_instruction: opt.DocumentInstructionOption = None,
    batch_tokens: opt.BatchTokensOption = 0,
    max_active_query: opt.MaxActiveQueryOption = 0,
    max_active_document: opt.MaxActiveDocumentOption = 0,
    token_storage: opt.TokenStorageOption = "",
    candidates: opt.CandidatesOption = "",
    depth: opt.DepthOption = 0,
    trust_remote_code: opt.TrustOption = False,
) -> None:
    """Evaluate models on tasks; what is already measured under the same identity is not repeated.

    A model is a name of `rebench models`, a [models.NAME] table of rebench.toml, a folder, or a
    hub id such as org/model; the options below say how it is run where its card does not.

    Example: rebench eval --model bm25,wordllama --tasks stdlib
    """
    if bool(model) == bool(pipeline):
        raise BadInput(
            "name either models or a pipeline", fix="Try: rebench eval --model bm25 --tasks stdlib"
        )
    from harness.cli.console import print_outcomes
    from harness.core.memory import parse_size
    from harness.data.registry import TaskOptions
    from harness.evaluate import EvalConfig
    from harness.loading import RunOptions
    from models.spec import LoadOptions

    devices = tuple(name.strip() for name in device.split(",") if name.strip())
    load = LoadOptions(
        weights=weights,
        device=devices[0] if devices else "",
        dtype=dtype,
        max_length=max_length,
        trust_remote_code=trust_remote_code,
        backend=backend,
        revision=revision,
        pooling=pooling,
        normalize=normalize,
        similarity=similarity,
        query_instruction=query_instruction,
        document_instruction=document_instruction,
        batch_tokens=batch_tokens,
        max_active_query=max_active_query,
        max_active_document=max_active_document,
        token_storage=token_storage,
    )
    settings = opt.settings_from(results=results, data=data, cache=cache)
    config = EvalConfig(k=k, force=force, command=opt.command_line())
    how = RunOptions(
        load=load,
        devices=devices,
        index=index,
        cached=not no_cache,
        candidates=candidates,
        depth=depth,
        memory=parse_size(memory),
    )
    options = TaskOptions(data_dir=settings.data_dir, query_set=queries, with_corpus=True)
    if pipeline:
        if how != RunOptions():
            raise BadInput(
                "the options of models do not go with --pipeline",
                fix="Leave them out; the pipeline's file and the cards say how models are run.",
            )
        outcomes = _evaluate_pipeline(pipeline, tasks, options, settings, config)
    else:
        outcomes = _evaluate_all(model, tasks, options, settings, config, how)
    print_outcomes(outcomes, as_json=as_json)


def _evaluate_all(
    models: str,
    tasks: str,
    options: TaskOptions,
    settings: Settings,
    config: EvalConfig,
    how: RunOptions,
) -> list[Outcome]:
    """Evaluate each model on each task; every name is checked before any work starts."""
    from harness.cli.progress import reporter_for_stderr
    from harness.data.registry import load_task, resolve_tasks
    from harness.evaluate import TaskLoader, evaluate_models
    from harness.loading import retriever, split_names
    from results.store import ResultStore

    reporter = reporter_for_stderr()
    store = ResultStore(settings.results_dir)
    retrievers = [retriever(name, settings, how) for name in split_names(models)]
    loader = TaskLoader(resolve_tasks(tasks), lambda name: load_task(name, options, reporter))
    store.check_writable(*(each.name for each in retrievers))
    outcomes: list[Outcome] = []
    for outcome in evaluate_models(retrievers, loader, store, config, reporter):
        _say(outcome, reporter)
        outcomes.append(outcome)
    return outcomes


def _evaluate_pipeline(
    name: str, tasks: str, options: TaskOptions, settings: Settings, config: EvalConfig
) -> list[Outcome]:
    """Evaluate a pipeline on each task, which is loaded when its turn comes."""
    from harness.api.pipelining import evaluate_on, find_pipeline
    from harness.cli.progress import reporter_for_stderr
    from harness.data.registry import load_task, resolve_tasks
    from results.store import ResultStore

    reporter = reporter_for_stderr()
    store = ResultStore(settings.results_dir)
    found = find_pipeline(name, settings)
    loaded = (load_task(each, options, reporter) for each in resolve_tasks(tasks))
    outcomes: list[Outcome] = []
    for outcome in evaluate_on(found, loaded, settings, store, config, reporter):
        _say(outcome, reporter)
        outcomes.append(outcome)
    return outcomes


def _say(outcome: Outcome, reporter: Reporter) -> None:
    """Tell what was measured, as soon as it is."""
    entry = outcome.entry
    state = "already measured" if outcome.reused else "measured"
    head = entry.task.head_metric
    reporter.note(f"{entry.model} on {entry.task.name}: {head} {entry.metrics[head]:.4f} ({state})")
