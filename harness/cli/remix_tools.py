"""What `rebench remix` works with, made from its options: tasks, models, retriever, settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.named_models import (
    PAPER_EMBEDDER,
    ChatFlags,
    chat_model,
    mining_retriever,
    scorer_for,
)
from harness.cli.options import settings_from
from harness.cli.remix_options import (
    AnnotatorOptions,
    BudgetOptions,
    EmbedderOptions,
    JudgeOptions,
    LlmOptions,
    MiningOptions,
    PriceOptions,
    ProfileOptions,
    PromptOptions,
    QueryOptions,
    ReasonerOptions,
    ReplyOptions,
    RowOptions,
    SeedOptions,
    SelectOptions,
    SourceOptions,
    TrivialOptions,
)
from harness.core.errors import BadInput
from models.chat.defaults import UNANSWERED_SHARE

if TYPE_CHECKING:
    from harness.core.protocols import Reporter, Retriever
    from harness.core.settings import Settings
    from models.chat.dispatch import Budget
    from remixer.config import RemixConfig
    from remixer.context import RemixTools
    from remixer.plan import PlannedTask, RunEstimate


@dataclass(frozen=True, slots=True)
class RemixRequest:
    """One command: its name, its folder, and its options by group (defaults where it has none)."""

    command: str
    out: Path
    source: SourceOptions
    select: SelectOptions = field(default_factory=SelectOptions)
    queries: QueryOptions = field(default_factory=QueryOptions)
    embedder: EmbedderOptions = field(default_factory=EmbedderOptions)
    mining: MiningOptions = field(default_factory=MiningOptions)
    annotator: AnnotatorOptions = field(default_factory=AnnotatorOptions)
    rows: RowOptions = field(default_factory=RowOptions)
    trivial: TrivialOptions = field(default_factory=TrivialOptions)
    llm: LlmOptions = field(default_factory=LlmOptions)
    reasoner: ReasonerOptions = field(default_factory=ReasonerOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    profile: ProfileOptions = field(default_factory=ProfileOptions)
    prompts: PromptOptions = field(default_factory=PromptOptions)
    replies: ReplyOptions = field(default_factory=ReplyOptions)
    seed: SeedOptions = field(default_factory=SeedOptions)
    budget: BudgetOptions | PriceOptions = field(default_factory=BudgetOptions)

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the stages that the command does, in order."""
        from remixer.pipeline import STAGES

        if self.command != "run":
            return (self.command,)
        return tuple(name for name in STAGES if self.queries.reason or name != "reason")


def run_request(request: RemixRequest, reporter: Reporter) -> dict[str, dict[str, dict[str, int]]]:
    """Do a command's stages on each of its tasks; return folder -> stage -> counts.

    Raises what reading tasks and the stages raise; finished work is kept.
    """
    from remixer.pipeline import run_stages, token_totals

    settings = settings_from(data=request.source.data)
    config = _config(request)
    tools = remix_tools(request, settings, reporter)
    budget = _budget(request)
    counts = {}
    for own in task_runs(request.source, request.profile, request.prompts, request.out, reporter):
        tools = replace(tools, budget=budget)
        records = run_stages(request.stages, own.task, own.profile, own.folder, config, tools)
        counts[str(own.folder)] = {name: dict(record.counts) for name, record in records.items()}
        budget = replace(budget, before=budget.before.together(token_totals(own.folder)))
    return counts


def plan_request(request: RemixRequest, reporter: Reporter) -> RunEstimate:
    """Estimate a whole run from a few replies; raises what reading tasks and asking raise."""
    from remixer.plan import estimate_run

    settings = settings_from(data=request.source.data)
    tools = replace(remix_tools(request, settings, reporter), budget=_budget(request))
    runs = task_runs(request.source, request.profile, request.prompts, request.out, reporter)
    return estimate_run(runs, _config(request), tools)


def remix_tools(request: RemixRequest, settings: Settings, reporter: Reporter) -> RemixTools:
    """Return the models and limits of a request, without its budget; nothing heavy is loaded.

    Raises `BadInput` if a stage needs an embedder and none is named.
    """
    from models.chat.dispatch import FailureLimits
    from remixer.context import RemixTools

    writer, reasoner, judge = chat_flags(request.llm, request.reasoner, request.judge)
    embedder, annotator = request.embedder.embedder, request.annotator.annotator
    mines = "mine" in request.stages
    _check_embedder(request)
    return RemixTools(
        reporter=reporter,
        chat=chat_model(writer),
        reasoner=chat_model(reasoner),
        annotator=chat_model(judge),
        retriever=_miner(request, settings) if mines else None,
        scorer=scorer_for(annotator, embedder, settings),
        limits=FailureLimits(
            request.replies.attempts,
            request.replies.max_unusable,
            1.0 if request.llm.replay_tolerant else UNANSWERED_SHARE,
        ),
    )


def _check_embedder(request: RemixRequest) -> None:
    """Raise `BadInput` if a stage lacks its embedder, or if one is named that nothing uses."""
    options, run = request.embedder, request.mining.candidates
    embeds = "annotate" in request.stages and request.annotator.annotator == "embedding"
    if (embeds or ("mine" in request.stages and run is None)) and not options.embedder:
        raise BadInput(
            "no --embedder is given",
            fix=f"Give --embedder {PAPER_EMBEDDER} (the paper's, needs a GPU), --embedder bm25 "
            "(cheap, for a trial), another name that `rebench models` lists, or --candidates RUN.",
        )
    if run is not None and not embeds and options != EmbedderOptions():
        raise BadInput(
            f"--candidates {run} and an embedder's options are both given",
            fix="Mine from the run, or with --embedder.",
        )


def _miner(request: RemixRequest, settings: Settings) -> Retriever:
    from remixer.candidate_run import CandidateRun

    options, run = request.embedder, request.mining.candidates
    if run is not None:
        return CandidateRun(run, tolerant=request.llm.replay_tolerant)
    return mining_retriever(options.embedder, settings, options.dtype, options.query_instruction)


def chat_flags(
    llm: LlmOptions, reasoner: ReasonerOptions, judge: JudgeOptions
) -> tuple[ChatFlags, ChatFlags, ChatFlags]:
    """Return writer, reasoner and judge; the latter two name no model where the writer serves.

    A server of their own is asked with a key of their own: `REBENCH_REASONER_KEY`,
    `REBENCH_ANNOTATOR_KEY`. The writer's key goes to the writer's address only.
    """
    writer = ChatFlags(
        llm.llm, llm.llm_model, llm.llm_dialect, llm.concurrency, llm.timeout, llm.replay_tolerant
    )
    second = replace(
        writer,
        llm=reasoner.reasoner_llm,
        model=reasoner.reasoner_model,
        dialect=reasoner.reasoner_dialect or writer.dialect,
        concurrency=reasoner.reasoner_concurrency or writer.concurrency,
        timeout=reasoner.reasoner_timeout or writer.timeout,
        option="--reasoner-llm",
    )
    third = replace(
        writer,
        llm=judge.annotator_llm,
        model=judge.annotator_model,
        dialect=judge.annotator_dialect or writer.dialect,
        concurrency=judge.annotator_concurrency or writer.concurrency,
        timeout=judge.annotator_timeout or writer.timeout,
        option="--annotator-llm",
    )
    return writer, _own_server(second, reasoner, writer), _own_server(third, judge, writer)


def _own_server(
    flags: ChatFlags, options: ReasonerOptions | JudgeOptions, writer: ChatFlags
) -> ChatFlags:
    """Return a role's flags: the writer's server if it names a setting but no server."""
    if flags.llm is None:
        if options == type(options)():
            return flags
        return replace(flags, llm=writer.llm, model=flags.model or writer.model)
    if flags.llm == writer.llm:
        return replace(flags, model=flags.model or writer.model)
    role = flags.option.removeprefix("--").removesuffix("-llm").upper()
    return replace(flags, key_variables=(f"REBENCH_{role}_KEY",))


def _budget(request: RemixRequest) -> Budget:
    from models.chat.dispatch import Budget

    own = request.budget
    if not isinstance(own, BudgetOptions):
        return Budget(price_prompt=own.price_prompt, price_reply=own.price_reply)
    return Budget(own.max_tokens_total, own.max_cost, own.price_prompt, own.price_reply)


def _config(request: RemixRequest) -> RemixConfig:
    """Return the settings of a request that change its output; raises `BadInput`."""
    from remixer.config import MineOptions, RemixConfig, SelectConfig
    from remixer.corpus import named_documents
    from remixer.prompt_files import PromptFiles
    from remixer.sampling import parse_samplings

    select, seed = request.select, request.seed.seed
    prompts = request.prompts
    return RemixConfig(
        select=SelectConfig(select.min_chars, select.max_chars, select.limit, seed),
        domain_filter=select.domain_filter,
        reason=request.queries.reason,
        mine=MineOptions(
            request.mining.depth, request.trivial.include_source, request.mining.without_gold
        ),
        sources=None if select.sources is None else named_documents(select.sources),
        max_reply_tokens=request.replies.max_reply_tokens,
        samplings=parse_samplings(request.replies.sampling or ()),
        prompts=PromptFiles(prompts.prompts, additions=not prompts.released_wording),
        positive_from=request.rows.positive_from,
        drop_near=not request.rows.keep_near_negatives,
    )


def task_runs(
    source: SourceOptions,
    profile: ProfileOptions,
    prompts: PromptOptions,
    out: Path,
    reporter: Reporter,
) -> Iterator[PlannedTask]:
    """Yield the tasks of a command one at a time, each loaded when it is its turn.

    One task runs in `out` itself; of several, each runs in `out/TASK`. Raises `BadInput` unless
    exactly one of --task and --corpus is given, and what reading raises.
    """
    from harness.data.registry import TaskOptions, load_task, resolve_tasks
    from remixer.corpus import folder_task, only_documents
    from remixer.plan import PlannedTask
    from remixer.prompt_files import PromptFiles
    from remixer.task_profiles import load_profile, profile_name

    if (source.task is None) == (source.corpus is None):
        raise BadInput(
            f"--task is {source.task!r} and --corpus is {source.corpus!r}", fix="Give one of them."
        )
    data_dir = settings_from(data=source.data).data_dir
    files = PromptFiles(prompts.prompts, additions=not prompts.released_wording)
    folder_of = source.corpus
    names = resolve_tasks(source.task or "") if folder_of is None else ("",)
    for name in names:
        if folder_of is not None:
            task = folder_task(folder_of, reporter)
        else:
            task = load_task(name, TaskOptions(data_dir=data_dir), reporter)
        if source.documents is not None:
            task = only_documents(task, source.documents)
        words = load_profile(
            profile.kind or profile_name(task.name), task.prompt_fields, profile.domain, files
        )
        yield PlannedTask(task, words, out / name if len(names) > 1 else out)


def one_task(
    source: SourceOptions, profile: ProfileOptions, prompts: PromptOptions, reporter: Reporter
) -> PlannedTask:
    """Return the task of a command that works on one; raises `BadInput` for several."""
    from harness.data.registry import resolve_tasks

    names = resolve_tasks(source.task) if source.task else ()
    if len(names) > 1:
        raise BadInput(
            f"--task {source.task!r} is {len(names)} tasks: {', '.join(names)}", fix="Name one."
        )
    return next(task_runs(source, profile, prompts, Path(), reporter))
