"""The domain filter of stage `select`: does a passage belong to the domain?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.chat.dispatch import Dispatcher, StageReplies, UnusableReply
from models.chat.protocol import ChatReply, ChatRequest
from remixer.prompt_builder import PromptBuilder
from remixer.stages.reply_text import clean_reply


def fitting_rows(
    dispatcher: Dispatcher,
    prompts: PromptBuilder,
    rows: Sequence[int],
    texts: Sequence[str],
    limit: int,
) -> tuple[tuple[int, ...], dict[str, int]]:
    """Return the first `limit` of `rows` whose text fits the domain, in order, and counts.

    `rows` are places in `texts`, in drawn order. The released code asks about every document and
    samples from those that fit; since the order drawn here does not depend on which documents
    fit, prompts in that order until enough do gives the same sample for fewer calls. Only an exact
    `Yes` keeps a document, as released; anything but yes or no is asked again, then left out.
    Raises what `Dispatcher.answers` raises.
    """
    kept: list[int] = []
    counts: Counter[str] = Counter()
    begun = 0
    while len(kept) < limit and begun < len(rows):
        batch = rows[begun : begun + limit - len(kept)]
        begun += len(batch)
        values, more = _fits(dispatcher, prompts, [texts[row] for row in batch])
        counts.update(more)
        kept.extend(row for row, fits in zip(batch, values, strict=True) if fits)
    counts.update(asked=begun, fitting=len(kept))
    return tuple(kept), dict(counts)


def _fits(
    dispatcher: Dispatcher, prompts: PromptBuilder, texts: Sequence[str]
) -> tuple[list[bool | None], dict[str, int]]:

    def build(number: int, attempt: int) -> ChatRequest:
        return prompts.domain_filter(texts[number], attempt)

    def read(number: int, reply: ChatReply) -> bool | UnusableReply:
        answer = clean_reply(reply.text).rstrip(".")
        return answer == "Yes" if answer in {"Yes", "No"} else UnusableReply("neither_yes_nor_no")

    answers: StageReplies[bool] = dispatcher.stage_replies(
        "checking the domain", len(texts), build, read
    )
    return answers.values, answers.counts
