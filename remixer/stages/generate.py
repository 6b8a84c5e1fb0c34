"""Stage `generate`: one query per document, written under its conditions; duplicates removed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from harness.core.errors import BadInput
from models.chat.dispatch import Dispatcher, StageReplies, UnusableReply
from models.chat.protocol import ChatReply, ChatRequest
from remixer.context import RemixRun, StagePlan, require_rows
from remixer.prompt_builder import PromptBuilder
from remixer.rows import QueryRow, SourceRow
from remixer.stages.reply_text import clean_reply, why_unusable


def generate_queries(
    dispatcher: Dispatcher,
    prompts: PromptBuilder,
    sources: Sequence[SourceRow],
    text_of: Mapping[str, str],
) -> tuple[tuple[QueryRow, ...], dict[str, int]]:
    """Return the queries in the order of their sources, and counts.

    A reply that is empty, cut off, in another script than its document or copied from it is asked
    for again; sources for which nothing usable came are left out, and so is a query equal to an
    earlier one but for case and white space (the released code removes exact duplicates). Raises
    `BadInput` for a source that the corpus lacks, and what `Dispatcher.answers` raises.
    """
    check_sources(sources, text_of)

    def build(number: int, attempt: int) -> ChatRequest:
        source = sources[number]
        return prompts.generate(source, text_of[source.doc_id], attempt)

    def read(number: int, reply: ChatReply) -> str | UnusableReply:
        text = clean_reply(reply.text)
        reason = why_unusable(text, text_of[sources[number].doc_id])
        return UnusableReply(reason) if reason else text

    answers: StageReplies[str] = dispatcher.stage_replies(
        "writing queries", len(sources), build, read
    )
    version = prompts.versions()["generate"]
    rows: list[QueryRow] = []
    seen: set[bytes] = set()
    for source, query in zip(sources, answers.values, strict=True):
        same = _fold(query or "")
        if query and same not in seen:
            seen.add(same)
            rows.append(
                QueryRow(
                    doc_id=source.doc_id,
                    length=source.length,
                    education=source.education,
                    query=query,
                    model=prompts.model,
                    prompt=version,
                )
            )
    written = sum(query is not None for query in answers.values)
    counts = {**answers.counts, "sources": len(sources), "queries": len(rows)}
    return tuple(rows), {**counts, "duplicates": written - len(rows)}


def _fold(query: str) -> bytes:
    """Return a hash that queries equal but for case and white space share."""
    folded = " ".join(query.casefold().split())
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).digest()[:16]


def check_sources(sources: Sequence[SourceRow], text_of: Mapping[str, str]) -> None:
    """Raise `BadInput` when a source document is not in the corpus."""
    missing = [source.doc_id for source in sources if source.doc_id not in text_of]
    if missing:
        raise BadInput(
            f"{len(missing)} of {len(sources)} source documents are not in the corpus, the first "
            f"is {missing[0]!r}",
            fix="Give the corpus that they were selected from, or a new --out folder.",
        )


def plan(run: RemixRun) -> StagePlan:
    """Plan the writing of queries."""

    def work() -> Mapping[str, int]:
        sources = run.folder.rows("select", SourceRow)
        dispatcher = run.dispatcher("generate")
        rows, counts = generate_queries(dispatcher, run.prompts(), sources, run.text_of)
        require_rows(rows, "no usable query was written", "Look at the replies in the journal.")
        run.folder.write("generate", rows)
        return counts

    settings = run.llm_settings("generate")
    return StagePlan(settings, ("select",), work)
