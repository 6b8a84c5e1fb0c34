"""Stage `reason`: the reasoning-augmented query, what an expert thinks before searching.

How ReasonEmbed's authors made the field is not public; prompt and form are our own design. The
model sees the query alone, never its source document, as a retriever would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.chat.dispatch import Dispatcher, StageReplies, UnusableReply
from models.chat.protocol import ChatReply, ChatRequest
from remixer.context import RemixRun, StagePlan, require_rows
from remixer.prompt_builder import PromptBuilder
from remixer.rows import QueryRow
from remixer.stages.reply_text import clean_reply, why_unusable


def reason_queries(
    dispatcher: Dispatcher, prompts: PromptBuilder, queries: Sequence[QueryRow]
) -> tuple[tuple[QueryRow, ...], dict[str, int]]:
    """Return the queries with their reasoning, in order, and counts.

    A reply that is empty, cut off, in another script than the query or the query over again is
    asked for again; a query for which nothing usable came is left out, since Redapter cannot
    train on it. Raises what `Dispatcher.answers` raises.
    """

    def build(number: int, attempt: int) -> ChatRequest:
        return prompts.reason(queries[number].query, attempt)

    def read(number: int, reply: ChatReply) -> str | UnusableReply:
        text = clean_reply(reply.text)
        reason = why_unusable(text, queries[number].query)
        return UnusableReply(reason) if reason else text

    answers: StageReplies[str] = dispatcher.stage_replies("reasoning", len(queries), build, read)
    version, model = prompts.versions()["reason"], prompts.model_of("reason")
    rows = tuple(
        replace(query, reasoning_query=text, reasoning_model=model, reasoning_prompt=version)
        for query, text in zip(queries, answers.values, strict=True)
        if text is not None
    )
    return rows, {**answers.counts, "queries": len(queries), "reasoned": len(rows)}


def plan(run: RemixRun) -> StagePlan:
    """Plan the writing of reasoning queries."""

    def work() -> Mapping[str, int]:
        queries = run.folder.rows("generate", QueryRow)
        rows, counts = reason_queries(run.dispatcher("reason"), run.prompts(), queries)
        require_rows(rows, "no usable reasoning was written", "Look at the replies in the journal.")
        run.folder.write("reason", rows)
        return counts

    settings = run.llm_settings("reason")
    return StagePlan(settings, ("generate",), work)
