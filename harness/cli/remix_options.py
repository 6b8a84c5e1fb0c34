"""The options of `rebench remix`, in groups; a stage takes the groups that it can honour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DataOption
from models.chat.defaults import ATTEMPTS, CONCURRENCY, DIALECTS, TIMEOUT, UNUSABLE_SHARE
from remixer.config import (
    DEPTH,
    DOCUMENTS_PER_TASK,
    MAX_CHARACTERS,
    MIN_CHARACTERS,
    POSITIVE_FROM,
    SEED,
)

OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The run's folder.")]
_SERVER = "http://HOST:PORT/v1, vllm:MODEL or replay:FILE"
_DIALECTS = f"{', '.join(DIALECTS)} (openai: its standard settings only)."
_SAME = "[default: as --llm]"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Documents."""

    task: Annotated[
        str | None,
        typer.Option("--task", "-t", metavar="T", help="A task, as `rebench tasks` names it."),
    ] = None
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus", metavar="DIR", help="A folder with corpus.jsonl, or in BEIR layout."
        ),
    ] = None
    documents: Annotated[
        Path | None,
        typer.Option("--documents", metavar="FILE", help="Keep only the ids in FILE, one a line."),
    ] = None
    data: DataOption = None


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """Selection."""

    sources: Annotated[
        Path | None,
        typer.Option(
            "--sources", metavar="FILE", help="Write queries only from the ids in FILE, one a line."
        ),
    ] = None
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most documents to select.")] = (
        DOCUMENTS_PER_TASK
    )
    min_chars: Annotated[int, typer.Option("--min-chars", help="Leave out shorter documents.")] = (
        MIN_CHARACTERS
    )
    max_chars: Annotated[int, typer.Option("--max-chars", help="Leave out longer documents.")] = (
        MAX_CHARACTERS
    )
    domain_filter: Annotated[
        bool,
        typer.Option(
            "--domain-filter/--no-domain-filter",
            "--clean/--no-clean",
            help="Ask whether documents belong to the domain.",
        ),
    ] = True


@dataclass(frozen=True, slots=True)
class SeedOptions:
    """Randomness."""

    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the sample, the conditions and the replies.")
    ] = SEED


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """Language model."""

    llm: Annotated[str | None, typer.Option("--llm", metavar="SPEC", help=f"{_SERVER}.")] = None
    llm_model: Annotated[
        str, typer.Option("--llm-model", metavar="NAME", help="The model, as the server knows it.")
    ] = ""
    llm_dialect: Annotated[str, typer.Option("--llm-dialect", help=_DIALECTS)] = "vllm"
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, help="Requests in flight at once.")
    ] = CONCURRENCY
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.001, help="Seconds to wait for a whole reply.")
    ] = TIMEOUT
    replay_tolerant: Annotated[
        bool,
        typer.Option("--replay-tolerant", help="Count requests that the file lacks as unanswered."),
    ] = False


@dataclass(frozen=True, slots=True)
class ReasonerOptions:
    """Reasoner, if it is not --llm."""

    reasoner_llm: Annotated[
        str | None, typer.Option("--reasoner-llm", metavar="SPEC", help=f"{_SERVER} {_SAME}.")
    ] = None
    reasoner_model: Annotated[
        str, typer.Option("--reasoner-model", metavar="NAME", help="The model that reasons.")
    ] = ""
    reasoner_dialect: Annotated[
        str, typer.Option("--reasoner-dialect", help=f"{_DIALECTS[:-1]} {_SAME}.")
    ] = ""
    reasoner_concurrency: Annotated[
        int, typer.Option("--reasoner-concurrency", min=0, help="Requests in flight [0: as --llm].")
    ] = 0
    reasoner_timeout: Annotated[
        float, typer.Option("--reasoner-timeout", min=0, help="Seconds to wait [0: as --llm].")
    ] = 0.0


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Annotator's server, if it is not --llm."""

    annotator_llm: Annotated[
        str | None, typer.Option("--annotator-llm", metavar="SPEC", help=f"{_SERVER} {_SAME}.")
    ] = None
    annotator_model: Annotated[
        str, typer.Option("--annotator-model", metavar="NAME", help="The model that judges.")
    ] = ""
    annotator_dialect: Annotated[
        str, typer.Option("--annotator-dialect", help=f"{_DIALECTS[:-1]} {_SAME}.")
    ] = ""
    annotator_concurrency: Annotated[
        int,
        typer.Option("--annotator-concurrency", min=0, help="Requests in flight [0: as --llm]."),
    ] = 0
    annotator_timeout: Annotated[
        float, typer.Option("--annotator-timeout", min=0, help="Seconds to wait [0: as --llm].")
    ] = 0.0


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """Task profile."""

    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Kind of task [default: by the task's name, or general]."),
    ] = None
    domain: Annotated[str, typer.Option("--domain", help="The field, as a person calls it.")] = ""


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """Prompts."""

    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="DIR", help="Prompt files that replace rebench's."),
    ] = None
    released_wording: Annotated[
        bool,
        typer.Option(
            "--released-wording", help="Leave out rebench's additions to the released prompts."
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """Replies."""

    sampling: Annotated[
        list[str] | None,
        typer.Option(
            "--sampling",
            metavar="STAGE.SETTING=NUMBER",
            help="For example annotate.temperature=0; may be repeated.",
        ),
    ] = None
    attempts: Annotated[
        int, typer.Option("--attempts", min=1, help="Tries at a request with an unusable reply.")
    ] = ATTEMPTS
    max_unusable: Annotated[
        float, typer.Option("--max-unusable", help="Share of unusable replies that stops a stage.")
    ] = UNUSABLE_SHARE
    max_reply_tokens: Annotated[
        int, typer.Option("--max-reply-tokens", min=0, help="Most tokens of any reply [0: no cap].")
    ] = 0


@dataclass(frozen=True, slots=True)
class PriceOptions:
    """Prices."""

    price_prompt: Annotated[
        float, typer.Option("--price-prompt", help="Price of a million prompt tokens.")
    ] = 0.0
    price_reply: Annotated[
        float, typer.Option("--price-reply", help="Price of a million reply tokens.")
    ] = 0.0


@dataclass(frozen=True, slots=True)
class BudgetOptions(PriceOptions):
    """Budget."""

    max_tokens_total: Annotated[
        int, typer.Option("--max-tokens-total", help="Stop after so many tokens.")
    ] = 0
    max_cost: Annotated[float, typer.Option("--max-cost", help="Stop at this cost.")] = 0.0


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """Queries."""

    reason: Annotated[
        bool, typer.Option("--reason/--no-reason", help="With reasoning queries, or without.")
    ] = True


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """Retriever."""

    embedder: Annotated[
        str,
        typer.Option(
            "--embedder",
            metavar="NAME",
            help="gte-qwen2-7b (the paper's), bm25 (cheap), or any name that `eval --model` takes.",
        ),
    ] = ""
    query_instruction: Annotated[
        str | None,
        typer.Option(
            "--query-instruction", metavar="TEXT", help="Template in place of the model's own."
        ),
    ] = None
    dtype: Annotated[
        str, typer.Option("--dtype", help="Number format of the embedder's weights.")
    ] = ""


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """Mining."""

    candidates: Annotated[
        Path | None,
        typer.Option(
            "--candidates",
            metavar="RUN",
            help="Mine from a run file, query ids being source documents, not with --embedder.",
        ),
    ] = None
    depth: Annotated[int, typer.Option("--depth", min=2, help="Candidates per query.")] = DEPTH
    without_gold: Annotated[
        bool,
        typer.Option(
            "--without-gold", help="Mine no document that the task judges, nor a near-duplicate."
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class TrivialOptions:
    """Triviality ablation."""

    include_source: Annotated[
        bool, typer.Option("--include-source", help="Make the source the only positive.")
    ] = False


@dataclass(frozen=True, slots=True)
class AnnotatorOptions:
    """Annotator."""

    annotator: Annotated[
        str,
        typer.Option("--annotator", help="llm, lexical, embedding or cross-encoder:MODEL."),
    ] = "llm"


@dataclass(frozen=True, slots=True)
class RowOptions:
    """Training rows."""

    positive_from: Annotated[
        int, typer.Option("--positive-from", min=2, max=5, help="Least label of a positive.")
    ] = POSITIVE_FROM
    keep_near_negatives: Annotated[
        bool,
        typer.Option(
            "--keep-near-negatives", help="Keep negatives that are near-duplicates of a positive."
        ),
    ] = False


PlanOption = Annotated[
    bool,
    typer.Option("--plan", help="Estimate calls, tokens, disk and cost from 20 replies a stage."),
]
