"""Training rows: the released thresholds and sizes, in files that other tools read."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, StoreError
from harness.core.files import write_jsonl
from harness.core.training_row import TrainingRow, read_rows
from harness.data.bright_tasks import TASKS
from harness.data.stdlib.task import STDLIB
from models.chat.dispatch import Budget
from models.chat.journal import TokenTotals
from remixer.data_card import CardFacts, RowStatistics, render_card
from remixer.rows import LabelRow, QueryRow
from remixer.run_folder import StageRecord
from remixer.stages.export import write_parquet, write_training
from remixer.stages.format import (
    FormatOptions,
    format_counts,
    instruction,
    judged_queries,
    training_rows,
)
from remixer.stages.select import EDUCATION_LEVELS, LENGTH_CLASSES
from tests.helpers.remix_corpus import make_task

TASK = make_task()
TEXT_OF = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))


def query(at: int) -> QueryRow:
    return QueryRow(
        TASK.corpus.ids[at], LENGTH_CLASSES[at % 6][0], EDUCATION_LEVELS[at % 3][0],
        f"query {at}", "writer", "v1", f"reasoning {at}", "thinker", "v2",
    )  # fmt: skip


def labels(at: int, *values: int) -> LabelRow:
    others = [key for key in TASK.corpus.ids if key != TASK.corpus.ids[at]]
    return LabelRow(TASK.corpus.ids[at], tuple(others[: len(values)]), values, "judge", "v3")


def rows_of(*label_rows: LabelRow, **options: object) -> list[TrainingRow]:
    queries = [query(TASK.corpus.ids.index(row.doc_id)) for row in label_rows]
    by_id = {row.doc_id: row for row in label_rows}
    own = judged_queries(queries, by_id, TEXT_OF, FormatOptions("general", **options))
    return list(training_rows(own, TASK, TEXT_OF, "general"))


def test_three_and_above_is_positive_and_no_label_is_neither():
    (row,) = rows_of(labels(0, 1, 5, 0, 3, 2, 4))
    keys = labels(0, 1, 5, 0, 3, 2, 4).candidates
    assert row.pos == tuple(TEXT_OF[keys[at]] for at in (1, 3, 5))
    assert row.pos_scores == (5, 3, 4)
    assert row.neg == tuple(TEXT_OF[keys[at]] for at in (0, 4))
    assert row.neg_scores == (1, 2)
    assert (
        row.prompt
        == "Given a Systems question, retrieve relevant passages that help answer the question."
    )
    assert (row.query, row.reasoning_query) == ("query 0", "reasoning 0")
    assert (row.source_id, row.task) == (TASK.corpus.ids[0], "notes")
    assert row.conditions == {
        "length": LENGTH_CLASSES[0][0], "education": EDUCATION_LEVELS[0][0],
        "generate_model": "writer", "generate_prompt": "v1", "reason_model": "thinker",
        "reason_prompt": "v2", "annotator": "judge", "annotate_prompt": "v3",
    }  # fmt: skip


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=6))
def test_queries_without_both_are_dropped(values):
    label_rows = [labels(at, *own) for at, own in enumerate(values)]
    rows = rows_of(*label_rows)
    kept = [
        at for at, own in enumerate(values)
        if any(v >= 3 for v in own) and any(v in (1, 2) for v in own)
    ]  # fmt: skip
    assert [row.source_id for row in rows] == [TASK.corpus.ids[at] for at in kept]
    queries = [query(at) for at in range(len(values))]
    by_id = {row.doc_id: row for row in label_rows}
    counts = format_counts(judged_queries(queries, by_id, TEXT_OF, FormatOptions("general")))
    assert counts["without_positive"] == sum(all(v < 3 for v in own) for own in values)
    assert all(row.source_id not in (*row.pos, *row.neg) for row in rows)


@pytest.mark.parametrize(
    ("kind", "sizes"), [("leetcode", (2, 64)), ("pony", (64, 2)), ("post", (16, 8))]
)
def test_group_sizes_go_by_kind(kind: str, sizes: tuple[int, int]):
    own = labels(0, 5, 1)
    judged = judged_queries([query(0)], {own.doc_id: own}, TEXT_OF, FormatOptions(kind))
    (row,) = training_rows(judged, TASK, TEXT_OF, kind)
    assert (row.train_group_size, row.batch_size) == sizes


def test_the_trivial_set_has_the_source_as_its_only_positive():
    (row,) = rows_of(labels(0, 5, 1, 4, 2), source_positive=True)
    assert row.pos == (TEXT_OF[TASK.corpus.ids[0]],)
    assert row.pos_scores == (5,)
    assert row.neg_scores == (1, 2)


def test_a_negative_that_nearly_equals_a_positive_is_left_out():
    long = " ".join(f"word{at}" for at in range(40))
    texts = {**TEXT_OF, "a": long, "b": f"{long} more", "c": long.replace("word7 ", "other "),
             "d": "nothing of the kind", "e": long}  # fmt: skip
    first = LabelRow(TASK.corpus.ids[0], ("a", "b", "d", "e"), (5, 2, 1, 1), "judge", "v3")
    second = LabelRow(TASK.corpus.ids[1], ("c", "b", "d"), (1, 2, 4), "judge", "v3")
    by_id = {row.doc_id: row for row in (first, second)}
    queries = [query(0), query(1)]
    judged = judged_queries(queries, by_id, texts, FormatOptions("general"))
    assert [own.negative for own in judged] == [(("d", 1),), (("c", 1), ("b", 2))]
    assert format_counts(judged)["near_negatives"] == 2
    kept = judged_queries(queries, by_id, texts, FormatOptions("general", drop_near=False))
    assert [len(own.negative) for own in kept] == [3, 2]
    assert format_counts(kept)["near_negatives"] == 0


def test_labels_of_another_run_are_refused():
    with pytest.raises(BadInput, match="has no labels"):
        judged_queries([query(0)], {}, TEXT_OF, FormatOptions("general"))


def test_instructions_follow_the_released_pattern():
    assert instruction(TASKS["earth_science"].prompt_fields) == (
        "Given an Earth Science post, retrieve relevant passages that help answer the post."
    )
    assert instruction(TASKS["leetcode"].prompt_fields) == (
        "Given a Coding problem, retrieve relevant examples that help answer the problem."
    )
    assert instruction(TASKS["theoremqa_theorems"].prompt_fields) == (
        "Given a Math problem, retrieve relevant theorems that help answer the problem."
    )
    assert instruction(STDLIB.wording).startswith("Given a Python programming question, retrieve")


FEW = [labels(at, 5, 1, 3) for at in range(7)]


@pytest.mark.parametrize("name", ["training.jsonl", "training.jsonl.gz"])
def test_the_file_is_read_by_redapter_and_by_datasets(tmp_path: Path, name: str):
    import datasets

    rows = rows_of(*FEW)
    path = tmp_path / name
    assert write_training(path, iter(rows)) == 7
    assert list(read_rows(path)) == rows
    loaded = datasets.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    # FlagEmbedding reads these columns; sentence-transformers takes one column a text.
    assert {"query", "pos", "neg", "prompt", "pos_scores", "neg_scores"} <= set(loaded.column_names)
    assert loaded[3]["pos"] == list(rows[3].pos)
    assert loaded[3]["conditions"]["education"] == EDUCATION_LEVELS[0][0]
    pairs = loaded.map(
        lambda row: {"anchor": row["prompt"] + row["query"], "positive": row["pos"][0],
                     "negative": row["neg"][0]},
        remove_columns=loaded.column_names,
    )  # fmt: skip
    assert pairs[0]["positive"] == rows[0].pos[0]


def test_the_parquet_twin_holds_the_same(tmp_path: Path):
    import pyarrow.parquet as pq

    rows = rows_of(*FEW)
    path = tmp_path / "training.parquet"
    assert write_parquet(path, iter(rows)) == 7
    for read, row in zip(pq.read_table(path).to_pylist(), rows, strict=True):
        assert read == {
            "prompt": row.prompt, "query": row.query, "reasoning_query": row.reasoning_query,
            "pos": list(row.pos), "neg": list(row.neg), "pos_scores": list(row.pos_scores),
            "neg_scores": list(row.neg_scores), "source_id": row.source_id, "task": row.task,
            "conditions": dict(row.conditions), "train_group_size": 16, "batch_size": 8,
        }  # fmt: skip


@pytest.mark.parametrize("write", [write_training, write_parquet])
def test_a_file_that_breaks_off_leaves_nothing(tmp_path: Path, write):
    def broken():
        yield from rows_of(*FEW)
        raise BadInput("broken", fix="none")

    (tmp_path / "t.jsonl.gz").write_bytes(b"before")
    with pytest.raises(BadInput):
        write(tmp_path / "t.jsonl.gz", broken())
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl.gz"]
    assert (tmp_path / "t.jsonl.gz").read_bytes() == b"before"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write(tmp_path / "file" / "t.jsonl.gz", rows_of(*FEW))


def test_gzip_holds_no_time_and_no_name(tmp_path: Path):
    write_jsonl(tmp_path / "a.gz", [{"x": 1}])
    write_jsonl(tmp_path / "b.gz", [{"x": 1}])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert json.loads(gzip.decompress((tmp_path / "a.gz").read_bytes())) == {"x": 1}


def test_the_card_counts_what_is_there():
    rows = rows_of(labels(0, 5, 1), labels(1, 3, 2, 2), labels(2, 4, 1, 1))
    statistics = RowStatistics()
    assert list(statistics.watch(iter(rows))) == rows
    assert statistics.labels == Counter({5: 1, 3: 1, 4: 1, 1: 3, 2: 2})
    stages = {"mine": StageRecord({"depth": 5, "a": {"b": 1}}, {}, "", {"queries": 3000})}
    facts = CardFacts({"task": "notes", "seed": "42"}, stages, TokenTotals(9, 1_000_000, 500_000),
                      Budget(price_prompt=1.0, price_reply=4.0))  # fmt: skip
    card = render_card(statistics, facts)
    assert "| all | 3 |" in card
    assert "| positives a row | 1.00 |" in card
    assert "| negatives a row | 1.67 |" in card
    assert "| queries | 3,000 |" in card
    assert "depth 5, a (b 1)." in card
    assert "| 5 | 1 | 12.5 % |" in card
    assert "| 1 | 3 | 37.5 % |" in card
    assert "| prompt tokens | 1,000,000 |" in card
    assert "| cost | 3.0000 |" in card
    assert "| fewer than 100 words (1) | 1 | 0 | 0 |" in card
    assert "| 0 to 99 | 3 | " in card
    assert card == render_card(statistics, facts)
