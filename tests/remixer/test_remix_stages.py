"""Clean, generate, reason and annotate on a model that behaves, and on one that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from models.chat.dispatch import Dispatcher, FailureLimits
from models.chat.journal import Journal
from models.chat.protocol import LENGTH, ChatReply, Replies
from remixer.prompt_builder import PromptBuilder
from remixer.rows import LabelRow, MinedRow, QueryRow, SourceRow
from remixer.stages.annotate import MAX_CHARACTERS, annotate_candidates
from remixer.stages.domain_filter import fitting_rows
from remixer.stages.generate import generate_queries
from remixer.stages.reason import reason_queries
from tests.helpers.chat_server import number_of, rule
from tests.helpers.remix_corpus import make_kind, make_task

PROMPTS = PromptBuilder(make_kind(), "m", "judge", 42)
TASK = make_task()
TEXT_OF = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))
SOURCES = tuple(SourceRow(key, "100 to 200 words", "PhD") for key in TASK.corpus.ids[2:12])


class Ruled:
    """A model that answers by a rule of (prompt, seed), at once."""

    name = "m"

    def __init__(self, reply: Callable[[str, int], str | ChatReply]) -> None:
        self.reply = reply
        self.asked: Counter[tuple[str, int]] = Counter()

    def replies(self, requests: Iterator) -> Replies:
        for key, request in requests:
            text = request.messages[0].content
            self.asked[text, request.seed] += 1
            found = self.reply(text, request.seed)
            if isinstance(found, str):
                found = ChatReply(key, found)
            yield ChatReply(key, found.text, found.finish, error=found.error)


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., Dispatcher]]:
    journals = []

    def make(reply: Callable[[str, int], str | ChatReply], **limits: float) -> Dispatcher:
        journals.append(Journal(tmp_path / f"{len(journals)}.jsonl"))
        model = Ruled(reply)
        return Dispatcher(model, journals[-1], SilentReporter(), limits=FailureLimits(**limits))

    yield make
    for journal in journals:
        journal.close()


def test_cleaning_asks_only_until_enough_fit(ask):
    texts = TASK.corpus.texts
    answer = lambda prompt, seed: rule(prompt)  # noqa: E731
    fits = [rule(PROMPTS.domain_filter(text).messages[0].content) == "Yes" for text in texts]
    rows = tuple(reversed(range(len(texts))))
    dispatcher = ask(answer)
    kept, counts = fitting_rows(dispatcher, PROMPTS, rows, texts, 6)
    everything = [row for row in rows if fits[row]]
    assert list(kept) == everything[:6]
    last = rows.index(kept[-1])
    assert sum(dispatcher.model.asked.values()) == counts["asked"] == last + 1
    kept, counts = fitting_rows(ask(answer), PROMPTS, rows, texts, 1000)
    assert list(kept) == everything
    assert counts["asked"] == len(rows)


def test_cleaning_takes_an_exact_yes_alone(ask):
    answers = {"a": "Yes", "b": "Yes.", "c": "<think>x</think>\nYes", "d": "yes", "e": "No",
               "f": "Yes, it does", "g": "", "h": "No."}  # fmt: skip
    by_prompt = {
        PROMPTS.domain_filter(key).messages[0].content: text for key, text in answers.items()
    }
    dispatcher = ask(lambda prompt, seed: by_prompt[prompt])
    kept, counts = fitting_rows(dispatcher, PROMPTS, range(8), list(answers), 8)
    assert kept == (0, 1, 2)
    assert counts["left_unusable"] == 3
    assert counts["neither_yes_nor_no"] == 9


def test_queries_come_in_order_with_their_conditions(ask):
    rows, counts = generate_queries(ask(lambda p, s: f'"{rule(p)}"'), PROMPTS, SOURCES, TEXT_OF)
    assert [row.doc_id for row in rows] == [source.doc_id for source in SOURCES]
    for row in rows:
        prompt = PROMPTS.generate(SourceRow(row.doc_id, row.length, row.education),
                                 TEXT_OF[row.doc_id]).messages[0].content  # fmt: skip
        assert row.query == rule(prompt)
        assert (row.model, row.prompt) == ("m", PROMPTS.versions()["generate"])
    assert counts == {"replies": 10, "sources": 10, "queries": 10, "duplicates": 0}


def test_junk_is_asked_again_then_left_out_and_counted(ask):
    first = SOURCES[0].doc_id

    def reply(prompt: str, seed: int) -> str | ChatReply:
        number = next(n for n, source in enumerate(SOURCES) if source.doc_id in prompt)
        document = TEXT_OF[SOURCES[number].doc_id]
        good = rule(prompt)
        if seed == 42:  # the first try
            bad = {0: document, 1: "Почему всё время ждёт вторая программа?", 2: "  ",
                   3: ChatReply("", good, LENGTH), 4: "<think>no end"}  # fmt: skip
            return bad.get(number, good)
        return document if number == 0 else good

    rows, counts = generate_queries(ask(reply), PROMPTS, SOURCES, TEXT_OF)
    assert [row.doc_id for row in rows] == [each.doc_id for each in SOURCES if each.doc_id != first]
    assert counts == {
        "replies": 10 + 5 + 1, "retried": 6, "copied": 3, "language": 1, "empty": 2, "cut_off": 1,
        "left_unusable": 1, "sources": 10, "queries": 9, "duplicates": 0,
    }  # fmt: skip


def test_equal_queries_stand_once(ask):
    rows, counts = generate_queries(
        ask(lambda p, s: "Why does  it wait?" if number_of(p) % 2 else "why does it WAIT?"),
        PROMPTS, SOURCES, TEXT_OF,
    )  # fmt: skip
    assert [row.doc_id for row in rows] == [SOURCES[0].doc_id]
    assert counts["duplicates"] == 9


def test_a_source_from_another_corpus_is_refused(ask):
    with pytest.raises(BadInput, match="1 of 1 source documents are not in the corpus"):
        generate_queries(ask(lambda p, s: "x"), PROMPTS, [SourceRow("no", "", "")], TEXT_OF)


def make_queries(ask) -> tuple[QueryRow, ...]:
    return generate_queries(ask(lambda p, s: rule(p)), PROMPTS, SOURCES, TEXT_OF)[0]


def test_reasoning_sees_the_query_and_not_its_source(ask):
    queries = make_queries(ask)
    dispatcher = ask(lambda p, s: rule(p))
    rows, counts = reason_queries(dispatcher, PROMPTS, queries)
    assert counts == {"replies": 10, "queries": 10, "reasoned": 10}
    for row, query in zip(rows, queries, strict=True):
        assert row.reasoning_query.startswith("The asker wants to know")
        assert (row.doc_id, row.query, row.model) == (query.doc_id, query.query, query.model)
        assert (row.reasoning_model, row.reasoning_prompt) == ("m", PROMPTS.versions()["reason"])
    for prompt, _ in dispatcher.model.asked:
        assert not any(text[:30] in prompt for text in TEXT_OF.values())


def test_a_reasoning_that_repeats_the_query_is_none(ask):
    queries = make_queries(ask)
    with pytest.raises(ModelError, match=r"reasoning: for 10 of 10 questions .* copied 30"):
        reason_queries(
            ask(lambda p, s: next(q.query for q in queries if q.query in p)), PROMPTS, queries
        )


def mined_rows(queries: tuple[QueryRow, ...]) -> list[MinedRow]:
    ids = TASK.corpus.ids
    return [
        MinedRow(row.doc_id, ids[at : at + 1 + at % 4], (1.0,) * (1 + at % 4), "bm25")
        for at, row in enumerate(queries)
    ]


def judged(query: str, document: str) -> str:
    """Return the prompt that asks about a pair."""
    return PROMPTS.annotate(query, document).messages[0].content


def test_labels_belong_to_their_pairs(ask):
    queries = make_queries(ask)
    mined = mined_rows(queries)
    query_of = {row.doc_id: row for row in queries}
    rows, counts = annotate_candidates(ask(lambda p, s: rule(p)), PROMPTS, query_of, mined, TEXT_OF)
    every = []
    for row, own in zip(rows, mined, strict=True):
        expected = tuple(
            number_of(judged(query_of[own.doc_id].query, TEXT_OF[key])) % 5 + 1
            for key in own.candidates
        )  # fmt: skip
        assert row == LabelRow(
            own.doc_id, own.candidates, expected, "judge", PROMPTS.versions()["annotate"]
        )
        every += expected
    assert {key: counts[key] for key in counts if key.startswith("label_")} == {
        **{f"label_{label}": every.count(label) for label in range(1, 6)}, "label_none": 0,
    }  # fmt: skip
    assert counts["pairs"] == counts["replies"] == len(every)


def test_unparsable_scores_are_asked_again_and_counted(ask):
    queries = make_queries(ask)
    mined = mined_rows(queries)
    query_of = {row.doc_id: row for row in queries}
    pairs = sum(len(row.candidates) for row in mined)

    def reply(prompt: str, seed: int) -> str:
        return rule(prompt) if number_of(prompt) % 3 or seed == 44 else "I would say 4"

    rows, counts = annotate_candidates(ask(reply), PROMPTS, query_of, mined, TEXT_OF)
    assert counts["label_none"] == 0
    bad = counts["retried"] // 2
    assert 0 < bad < pairs
    assert counts["unparsable"] == 2 * bad
    assert counts["replies"] == pairs + 2 * bad
    best, _ = annotate_candidates(ask(lambda p, s: rule(p)), PROMPTS, query_of, mined, TEXT_OF)
    assert rows == best


def test_a_judge_that_never_scores_stops_with_counts(ask):
    queries = make_queries(ask)
    dispatcher = ask(lambda p, s: "I cannot judge this.")
    with pytest.raises(ModelError, match=r"annotating: for (\d+) of \1 questions.*unparsable"):
        annotate_candidates(
            dispatcher, PROMPTS, {row.doc_id: row for row in queries}, mined_rows(queries), TEXT_OF
        )
    assert len(dispatcher.journal) > 0  # nothing is lost


def test_texts_that_are_too_long_are_counted_and_not_asked(ask):
    query = make_queries(ask)[0]
    texts = {**TEXT_OF, "long": "x" * (MAX_CHARACTERS + 1), "fits": "y" * MAX_CHARACTERS}
    mined = [MinedRow(query.doc_id, ("long", "fits"), (2.0, 1.0), "bm25")]
    dispatcher = ask(lambda p, s: rule(p))
    rows, counts = annotate_candidates(dispatcher, PROMPTS, {query.doc_id: query}, mined, texts)
    assert counts["too_long"] == 1
    assert sum(dispatcher.model.asked.values()) == 1
    assert rows[0].labels[0] == 0 < rows[0].labels[1]


def test_candidates_of_another_corpus_are_refused(ask):
    query = make_queries(ask)[0]
    for mined in (MinedRow(query.doc_id, ("no",), (1.0,), "x"), MinedRow("no", (), (), "x")):
        with pytest.raises(BadInput, match="do not belong to these queries and this corpus"):
            annotate_candidates(
                ask(lambda p, s: rule(p)), PROMPTS, {query.doc_id: query}, [mined], TEXT_OF
            )
