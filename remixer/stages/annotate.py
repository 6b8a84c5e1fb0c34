"""Stage `annotate`: relevance of each candidate, 1 to 5, by a model that reasons in three steps."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate, chain

from harness.core.errors import BadInput
from models.chat.dispatch import Dispatcher, StageReplies, UnusableReply
from models.chat.protocol import ChatReply, ChatRequest
from remixer.context import RemixRun, StagePlan
from remixer.prompt_builder import PromptBuilder
from remixer.rows import LabelRow, MinedRow, QueryRow, rows_by_id
from remixer.stages.reply_text import clean_reply
from remixer.stages.scorers import CandidateScorer, score_candidates

MAX_CHARACTERS = 49_152
"""Queries and documents longer are not judged: 0.3 of a context of 40,960 tokens at 4 characters
a token (ReasonEmbed, data_synthesis/3-label)."""

UNPARSABLE = "unparsable"
_SCORE = re.compile(r"<score>\s*([^<]*?)\s*</score>", re.IGNORECASE)


def parse_score(text: str) -> int:
    """Return the score in the last pair of tags, 1 to 5; 0 when there is no such score.

    A pair of tags that holds anything but one of the five digits is no score, whatever else the
    reply says: a number guessed from prose would be noise that looks like a label.
    """
    found = _SCORE.findall(clean_reply(text))
    return int(found[-1]) if found and found[-1] in {"1", "2", "3", "4", "5"} else 0


def annotate_candidates(
    dispatcher: Dispatcher,
    prompts: PromptBuilder,
    queries: Mapping[str, QueryRow],
    mined: Sequence[MinedRow],
    text_of: Mapping[str, str],
) -> tuple[tuple[LabelRow, ...], dict[str, int]]:
    """Ask for a score of every (query, candidate); return rows in order, and counts.

    A candidate without a usable score has label 0. Pairs in which a text is too long are not
    asked (`too_long`). Raises `BadInput` for a mined row without its query or documents, and
    what `Dispatcher.answers` raises.
    """
    _check(queries, mined, text_of)
    starts = list(accumulate((len(row.candidates) for row in mined), initial=0))
    pairs = _Pairs(mined, starts)
    asked = [
        number
        for number in range(starts[-1])
        if _fits(queries[pairs.row(number).doc_id].query, text_of[pairs.candidate(number)])
    ]

    def build(place: int, attempt: int) -> ChatRequest:
        number = asked[place]
        query = queries[pairs.row(number).doc_id].query
        return prompts.annotate(query, text_of[pairs.candidate(number)], attempt)

    answers: StageReplies[int] = dispatcher.stage_replies("annotating", len(asked), build, _read)
    labels = [0] * starts[-1]
    for number, value in zip(asked, answers.values, strict=True):
        labels[number] = value or 0
    counts = {**answers.counts, "pairs": starts[-1]}
    if starts[-1] > len(asked):
        counts["too_long"] = starts[-1] - len(asked)
    version = prompts.versions()["annotate"]
    rows = tuple(
        LabelRow(
            doc_id=row.doc_id,
            candidates=row.candidates,
            labels=tuple(labels[starts[at] : starts[at + 1]]),
            annotator=prompts.annotator,
            prompt=version,
        )
        for at, row in enumerate(mined)
    )
    return rows, {**counts, **label_counts(rows)}


def label_counts(rows: Sequence[LabelRow]) -> dict[str, int]:
    """Return `label_1` … `label_5` and `label_none` with how often each was given."""
    every = Counter(chain.from_iterable(row.labels for row in rows))
    return {**{f"label_{label}": every[label] for label in range(1, 6)}, "label_none": every[0]}


class _Pairs:
    """All (query, candidate) pairs as one numbered sequence."""

    def __init__(self, mined: Sequence[MinedRow], starts: Sequence[int]) -> None:
        self.mined = mined
        self.starts = starts

    def row(self, number: int) -> MinedRow:
        """Return the row that a pair belongs to."""
        return self.mined[self._at(number)]

    def candidate(self, number: int) -> str:
        """Return a pair's candidate id."""
        at = self._at(number)
        return self.mined[at].candidates[number - self.starts[at]]

    def _at(self, number: int) -> int:
        """Return which row holds a pair."""
        return bisect_right(self.starts, number) - 1


def _fits(query: str, document: str) -> bool:
    """Tell whether both texts are short enough to be judged."""
    return len(query) <= MAX_CHARACTERS and len(document) <= MAX_CHARACTERS


def _read(number: int, reply: ChatReply) -> int | UnusableReply:
    """Return the score of a reply."""
    return parse_score(reply.text) or UnusableReply(UNPARSABLE)


def _check(
    queries: Mapping[str, QueryRow], mined: Sequence[MinedRow], text_of: Mapping[str, str]
) -> None:
    """Raise `BadInput` when a mined row names a query or document that is not there."""
    for row in mined:
        lost = [key for key in row.candidates if key not in text_of]
        if row.doc_id not in queries or lost:
            raise BadInput(
                f"the candidates of {row.doc_id!r} do not belong to these queries and this corpus"
                + (f": {lost[0]!r} is not in it" if lost else ""),
                fix="Mine again with the corpus that is given now.",
            )


def plan(run: RemixRun) -> StagePlan:
    """Plan the judging of candidates, by a model or by a cheap scorer."""
    scorer = run.tools.scorer
    inputs = (run.queries_from, "mine")
    if scorer is not None:
        return StagePlan({"scorer": scorer.name}, inputs, lambda: _score(run, scorer))
    settings = run.llm_settings("annotate")
    return StagePlan(settings, inputs, lambda: _ask(run))


def _score(run: RemixRun, scorer: CandidateScorer) -> Mapping[str, int]:
    """Label the candidates by a scorer's ranks, and write the stage's file."""
    queries = rows_by_id(run.folder.rows(run.queries_from, QueryRow))
    mined = run.folder.rows("mine", MinedRow)
    rows = score_candidates(scorer, run.task, queries, mined, run.tools.reporter)
    run.folder.write("annotate", rows)
    return {"pairs": sum(len(row.labels) for row in rows), **label_counts(rows)}


def _ask(run: RemixRun) -> Mapping[str, int]:
    """Ask the annotator about every candidate, and write the stage's file."""
    queries = rows_by_id(run.folder.rows(run.queries_from, QueryRow))
    mined = run.folder.rows("mine", MinedRow)
    dispatcher = run.dispatcher("annotate")
    rows, counts = annotate_candidates(dispatcher, run.prompts(), queries, mined, run.text_of)
    run.folder.write("annotate", rows)
    return counts
