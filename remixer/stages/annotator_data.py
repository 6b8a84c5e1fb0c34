"""A teacher's annotations as conversations, for distilling a small annotator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from harness.core.types import Json
from models.chat.journal import Journal
from models.chat.protocol import ChatRequest
from remixer.prompt_builder import PromptBuilder
from remixer.rows import LabelRow, QueryRow
from remixer.stages.annotate import parse_score
from remixer.stages.reply_text import clean_reply

ATTEMPTS = 8
"""How many seeds are looked through for the reply a label was read from."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How many conversations to keep for each label, 0 for all."""

    per_label: int = 0


def annotator_rows(
    journal: Journal,
    prompts: PromptBuilder,
    queries: Mapping[str, QueryRow],
    labels: Sequence[LabelRow],
    text_of: Mapping[str, str],
    balance: Balance,
) -> Iterator[dict[str, Json]]:
    """Yield `{"messages": [user, assistant], "score", "doc_id", "candidate", "prompt"}`.

    The form is the one that chat trainers read. The assistant's turn is the teacher's reply
    without its thinking. Labels without a reply in the journal (a cheap scorer's) give nothing.
    """
    taken: Counter[int] = Counter()
    version = prompts.versions()["annotate"]
    for row in labels:
        for candidate, label in zip(row.candidates, row.labels, strict=True):
            full = balance.per_label and taken[label] >= balance.per_label
            if label == 0 or full:
                continue
            build = partial(prompts.annotate, queries[row.doc_id].query, text_of[candidate])
            found = _reply(journal, build, label)
            if found is None:
                continue
            taken[label] += 1
            question, answer = found
            yield {
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": answer},
                ],
                "score": label,
                "doc_id": row.doc_id,
                "candidate": candidate,
                "prompt": version,
            }


def _reply(
    journal: Journal, build: Callable[[int], ChatRequest], label: int
) -> tuple[str, str] | None:
    """Return (prompt, reply) of the reply that gave a pair its label; `build` takes the attempt."""
    for attempt in range(ATTEMPTS):
        request = build(attempt)
        key = request.key
        if key not in journal:
            return None
        text = clean_reply(journal.read(key).text)
        if parse_score(text) == label:
            return request.messages[0].content, text
    return None
