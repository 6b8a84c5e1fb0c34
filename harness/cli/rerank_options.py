"""The options of `rebench rerank`, in groups: a model here, a server, or a chat model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.chat.defaults import ATTEMPTS, UNUSABLE_SHARE

if TYPE_CHECKING:
    from harness.api.named_rerankers import ChatOptions
    from harness.cli.remix_options import BudgetOptions, LlmOptions
    from models.backends.cross_encoder import LocalOptions


@dataclass(frozen=True, slots=True)
class LocalGroup:
    """A model that runs here."""

    max_length: Annotated[
        int, typer.Option("--max-length", metavar="N", help="Tokens of query and passage.")
    ] = 0
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda:0 …")] = ""
    dtype: Annotated[
        str, typer.Option("--dtype", help="Number format of the weights [default: float32].")
    ] = ""
    instruction: Annotated[
        str,
        typer.Option("--instruction", metavar="TEXT", help="Instead of the card's, if it has one."),
    ] = ""
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let the model's repository run code here.")
    ] = False


@dataclass(frozen=True, slots=True)
class ServerGroup:
    """A rerank server."""

    server_model: Annotated[
        str, typer.Option("--server-model", metavar="NAME", help="The model a server serves.")
    ] = ""
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", metavar="VAR", help="Variable with a server's key.")
    ] = ""


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """How a chat model reranks."""

    samples: Annotated[
        int, typer.Option("--samples", metavar="K", help="Replies to each question, averaged.")
    ] = 1
    window: Annotated[
        int, typer.Option("--window", metavar="N", help="Documents read side by side.")
    ] = 20
    step: Annotated[
        int, typer.Option("--step", metavar="N", help="By how many it moves [0: half of it].")
    ] = 0
    passes: Annotated[int, typer.Option("--passes", metavar="N", help="Slides of the window.")] = 1
    words: Annotated[
        int,
        typer.Option("--words", metavar="N", help="Words read of a document [0: the method's]."),
    ] = 0
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="[default: the card's, or 0]")
    ] = None
    top_p: Annotated[float | None, typer.Option("--top-p", help="[default: the card's]")] = None
    max_reply_tokens: Annotated[
        int, typer.Option("--max-reply-tokens", min=0, help="[0: the card's, or the method's]")
    ] = 0
    seed: Annotated[int, typer.Option("--seed", help="Of the first sample.")] = 42
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", metavar="DIR", help="Prompt files that replace rebench's."),
    ] = None
    journal: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="Where replies are kept [in the cache]."),
    ] = None
    attempts: Annotated[
        int, typer.Option("--attempts", min=1, help="Tries at a question with an unusable reply.")
    ] = ATTEMPTS
    max_unusable: Annotated[
        float, typer.Option("--max-unusable", help="Share of unusable replies that stops the run.")
    ] = UNUSABLE_SHARE


def local_options(group: LocalGroup) -> LocalOptions | None:
    """Return the options of a local model, `None` if all are left alone."""
    from models.backends.cross_encoder import LocalOptions

    if group == LocalGroup():
        return None
    return LocalOptions(
        group.device, group.max_length, group.dtype, group.trust_remote_code, group.instruction
    )


def chat_options(llm: LlmOptions, group: ChatGroup, budget: BudgetOptions) -> ChatOptions | None:
    """Return the options of a chat model, `None` if all are left alone."""
    from harness.api.named_models import ChatFlags
    from harness.api.named_rerankers import ChatOptions
    from harness.pipelines.chat_rerank.asking import ChatSettings
    from models.chat.dispatch import Budget, FailureLimits

    if (llm, group, budget) == (type(llm)(), ChatGroup(), type(budget)()):
        return None
    return ChatOptions(
        ChatFlags(
            llm.llm,
            llm.llm_model,
            llm.llm_dialect,
            llm.concurrency,
            llm.timeout,
            llm.replay_tolerant,
        ),
        ChatSettings(
            group.samples, group.window, group.step, group.passes, group.words, group.seed
        ),
        group.temperature,
        group.top_p,
        group.max_reply_tokens,
        group.prompts,
        group.journal,
        Budget(budget.max_tokens_total, budget.max_cost, budget.price_prompt, budget.price_reply),
        FailureLimits(
            group.attempts,
            group.max_unusable,
            unanswered=1.0 if llm.replay_tolerant else FailureLimits().unanswered,
        ),
    )
