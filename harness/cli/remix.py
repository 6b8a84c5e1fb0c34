"""`rebench remix`: training data from a corpus, whole or stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DataOption, JsonOption, settings_from

if TYPE_CHECKING:
    from harness.cli.remix_tools import ModelFlags, SourceFlags
    from models.chat.dispatch import Budget, FailureLimits
    from remixer.config import RemixConfig, SelectConfig
    from remixer.run_folder import StageRecord

app = typer.Typer(
    name="remix",
    help="Make training data from a corpus with ReMixer: whole, or stage by stage.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_HELP = {
    "run": "All stages: documents, queries, reasoning, candidates, labels, training file.",
    "clean": "Choose the documents and draw the conditions; check that documents fit the domain.",
    "generate": "Write one query per document.",
    "reason": "Write each query's reasoning.",
    "mine": "Find candidates for each query, its source document left out.",
    "annotate": "Judge each candidate from 1 to 5.",
    "format": "Make the training file, its Parquet twin and the data card.",
}
_STAGES = {"clean": ("select",), **{name: (name,) for name in list(_HELP)[2:]}}
"""Command -> the stages it does; `run` does all that its options leave in."""

TaskOption = Annotated[
    str | None,
    typer.Option("--task", "-t", metavar="T", help="A task, as `rebench tasks` names it."),
]
CorpusOption = Annotated[
    Path | None,
    typer.Option("--corpus", metavar="DIR", help="A folder with corpus.jsonl, or in BEIR layout."),
]
DocumentsOption = Annotated[
    Path | None,
    typer.Option("--documents", metavar="FILE", help="Keep only the ids in FILE, one a line."),
]
SourcesOption = Annotated[
    Path | None,
    typer.Option("--sources", metavar="FILE", help="Write queries from the ids in FILE alone."),
]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", help="Kind of task, where the name does not tell [default: general]."),
]
DomainOption = Annotated[str, typer.Option("--domain", help="The field, as a person calls it.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The run's folder.")]
LlmOption = Annotated[
    str | None,
    typer.Option("--llm", metavar="SPEC", help="http://HOST:PORT/v1, vllm:MODEL or replay:FILE."),
]
LlmModelOption = Annotated[
    str, typer.Option("--llm-model", metavar="NAME", help="The model, as the server knows it.")
]
DialectOption = Annotated[
    str,
    typer.Option("--llm-dialect", help="vllm (all settings) or openai (the standard ones only)."),
]
TolerantOption = Annotated[
    bool,
    typer.Option("--replay-tolerant", help="Count requests that the file lacks as unanswered."),
]
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", min=1, help="Requests under way at once.")
]
MaxTokensOption = Annotated[
    int, typer.Option("--max-tokens-total", help="Stop when the run has used so many tokens.")
]
MaxCostOption = Annotated[float, typer.Option("--max-cost", help="Stop at this cost.")]
PricePromptOption = Annotated[
    float, typer.Option("--price-prompt", help="Price of a million prompt tokens.")
]
PriceReplyOption = Annotated[
    float, typer.Option("--price-reply", help="Price of a million reply tokens.")
]
UnusableOption = Annotated[
    float, typer.Option("--max-unusable", help="Share of unusable replies that stops a stage.")
]
AttemptsOption = Annotated[
    int, typer.Option("--attempts", min=1, help="Tries at a request with an unusable reply.")
]
ReplyTokensOption = Annotated[
    int, typer.Option("--max-reply-tokens", help="Lower every stage's limit on a reply's tokens.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the sample, the draws, the replies.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Documents at most.")]
MinCharsOption = Annotated[int, typer.Option("--min-chars", help="Shorter documents are left out.")]
MaxCharsOption = Annotated[int, typer.Option("--max-chars", help="Longer documents are left out.")]
CleanOption = Annotated[
    bool, typer.Option("--clean/--no-clean", help="Ask whether documents fit the domain.")
]
ReasonOption = Annotated[
    bool, typer.Option("--reason/--no-reason", help="With reasoning queries, or without.")
]
EmbedderOption = Annotated[
    str, typer.Option("--embedder", metavar="NAME", help="What mines: a name as in `eval --model`.")
]
DepthOption = Annotated[int, typer.Option("--depth", min=2, help="Candidates a query.")]
IncludeOption = Annotated[
    bool,
    typer.Option("--include-source", help="The source is the positive: for the ablation only."),
]
WithoutGoldOption = Annotated[
    bool,
    typer.Option("--without-gold", help="Mine no document that the task judges, nor its like."),
]
KeepNearOption = Annotated[
    bool,
    typer.Option("--keep-near-negatives", help="Keep negatives near-equal to a positive."),
]
AnnotatorOption = Annotated[
    str,
    typer.Option("--annotator", help="Who judges: llm, lexical, embedding or cross-encoder:MODEL."),
]


def command(
    ctx: typer.Context,
    out: OutOption,
    task: TaskOption = None,
    corpus: CorpusOption = None,
    documents: DocumentsOption = None,
    sources: SourcesOption = None,
    kind: KindOption = None,
    domain: DomainOption = "",
    llm: LlmOption = None,
    llm_model: LlmModelOption = "",
    llm_dialect: DialectOption = "vllm",
    replay_tolerant: TolerantOption = False,
    concurrency: ConcurrencyOption = 64,
    max_tokens_total: MaxTokensOption = 0,
    max_cost: MaxCostOption = 0.0,
    price_prompt: PricePromptOption = 0.0,
    price_reply: PriceReplyOption = 0.0,
    max_unusable: UnusableOption = 0.5,
    attempts: AttemptsOption = 3,
    max_reply_tokens: ReplyTokensOption = 0,
    seed: SeedOption = 42,
    limit: LimitOption = 10_000,
    min_chars: MinCharsOption = 200,
    max_chars: MaxCharsOption = 5000,
    clean: CleanOption = True,
    reason: ReasonOption = True,
    embedder: EmbedderOption = "bm25",
    depth: DepthOption = 100,
    include_source: IncludeOption = False,
    without_gold: WithoutGoldOption = False,
    annotator: AnnotatorOption = "llm",
    keep_near_negatives: KeepNearOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Do one stage, or all; every stage takes the same options."""
    from harness.cli.remix_tools import ModelFlags, SourceFlags
    from models.chat.dispatch import Budget, FailureLimits
    from remixer.config import MineOptions, RemixConfig

    source = SourceFlags(task, corpus, documents, kind, domain, data)
    model = ModelFlags(llm, llm_model, concurrency, llm_dialect, replay_tolerant)
    chosen, only = _selection(min_chars, max_chars, limit, seed, sources)
    mining = MineOptions(depth, include_source, without_gold)
    near = not keep_near_negatives
    config = RemixConfig(chosen, clean, reason, mining, only, max_reply_tokens, drop_near=near)
    budget = Budget(max_tokens_total, max_cost, price_prompt, price_reply)
    limits = FailureLimits(attempts, max_unusable, 1.0 if replay_tolerant else 0.02)
    job = _Job(source, model, config, budget, limits, (embedder, annotator))
    _show(out, _do(ctx.info_name or "run", out, job), as_json=as_json)


for _name, _help in _HELP.items():
    app.command(_name, help=_help)(command)


def _selection(
    min_chars: int, max_chars: int, limit: int, seed: int, sources: Path | None
) -> tuple[SelectConfig, frozenset[str] | None]:
    """Return how documents are chosen, and the only ones to write from where a file names them."""
    from remixer.config import SelectConfig
    from remixer.corpus import named_documents

    only = None if sources is None else named_documents(sources)
    return SelectConfig(min_chars, max_chars, limit, seed), only


@dataclass(frozen=True, slots=True)
class _Job:
    """The flags of one command; `search` is (embedder, annotator)."""

    source: SourceFlags
    model: ModelFlags
    config: RemixConfig
    budget: Budget
    limits: FailureLimits
    search: tuple[str, str]


def _do(name: str, out: Path, job: _Job) -> dict[str, StageRecord]:
    """Do a command's stages and return their records."""
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import chat_model, retriever_for, scorer_for, task_and_profile
    from remixer.context import RemixTools
    from remixer.pipeline import STAGES, run_stages

    settings = settings_from(data=job.source.data)
    reporter = reporter_for_stderr()
    embedder, annotator = job.search
    tools = RemixTools(
        reporter=reporter,
        chat=chat_model(job.model),
        retriever=retriever_for(embedder, settings),
        scorer=scorer_for(annotator, embedder, settings),
        budget=job.budget,
        limits=job.limits,
    )
    task, kind = task_and_profile(job.source, settings, reporter)
    left_out = () if job.config.reason else ("reason",)
    every = tuple(stage for stage in STAGES if stage not in left_out)
    return run_stages(_STAGES.get(name, every), task, kind, out, job.config, tools)


def _show(out: Path, records: Mapping[str, StageRecord], *, as_json: bool) -> None:
    """Print the counts of stages."""
    from harness.cli.console import print_json, print_table

    if as_json:
        print_json({name: dict(record.counts) for name, record in records.items()})
        return
    rows = [
        {"stage": name, "count": key, "number": number}
        for name, record in records.items()
        for key, number in record.counts.items()
    ]
    print_table(f"stages in {out}", rows, as_json=False)
