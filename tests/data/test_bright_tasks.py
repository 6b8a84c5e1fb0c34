"""The table of BRIGHT tasks against the task list, the counts of the facts and real judgements."""

import gzip
import json

import pytest

from harness.data.bright_tasks import QUERY_SETS, REVISION, TASKS
from harness.data.registry import group_members

SHORT = (
    "biology", "earth_science", "economics", "psychology", "robotics", "stackoverflow",
    "sustainable_living", "leetcode", "pony", "aops", "theoremqa_questions", "theoremqa_theorems",
)  # fmt: skip


def test_the_twenty_tasks():
    assert group_members("bright") == SHORT
    assert len(group_members("bright-long")) == 8
    assert len(TASKS) == 20
    assert sum(TASKS[name].counts.queries for name in SHORT) == 1384


def test_long_tasks_exist_where_the_hub_has_long_documents():
    with_long = {*SHORT} - {"leetcode", "aops", "theoremqa_questions", "theoremqa_theorems"}
    assert set(group_members("bright-long")) == {f"{name}-long" for name in with_long}


def test_head_metrics_and_places():
    assert {TASKS[name].head_metric for name in group_members("bright")} == {"ndcg@10"}
    assert {TASKS[name].head_metric for name in group_members("bright-long")} == {"recall@1"}
    long = TASKS["pony-long"]
    assert (long.split, long.documents, long.gold_key) == (
        "pony",
        "long_documents",
        "gold_ids_long",
    )
    assert TASKS["pony"].documents == "documents"


def test_aops_and_theoremqa_questions_share_their_corpus_size():
    assert TASKS["aops"].counts.documents == TASKS["theoremqa_questions"].counts.documents


def test_wording_says_what_each_family_calls_things():
    earth = TASKS["earth_science"].prompt_fields
    assert earth.query_kind == "Earth Science post"
    assert earth.slug_kind == "earth_science post"
    nouns = {
        name: (w.query_noun, w.document_noun) for name in SHORT for w in [TASKS[name].prompt_fields]
    }
    assert nouns["biology"] == ("post", "passages")
    assert nouns["pony"] == ("question", "passages")
    assert nouns["leetcode"] == nouns["aops"] == ("problem", "examples")
    assert nouns["theoremqa_theorems"] == ("problem", "theorems")
    assert {TASKS[n].prompt_fields.document_noun for n in group_members("bright-long")} == {
        "documents"
    }


def test_the_revision_is_a_whole_commit_and_not_the_old_one():
    assert len(REVISION) == 40
    assert not REVISION.startswith("a75a0eb")


def test_query_sets_are_the_hubs_configurations():
    assert QUERY_SETS["original"] == "examples"
    assert QUERY_SETS["gemini-1.0"] == "Gemini-1.0_reason"
    assert len(QUERY_SETS) == 6


@pytest.mark.parametrize("name", SHORT)
def test_counts_against_the_real_examples(shared_data, name):
    """Counted here with plain sets, not by the loader."""
    path = shared_data / "bright" / "examples" / f"{name}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        rows = [json.loads(line) for line in handle]
    counts = TASKS[name].counts
    assert len({row["id"] for row in rows}) == counts.queries
    assert len({(r["id"], d) for r in rows for d in r["gold_ids"]}) == counts.gold_pairs
    excluded = {(r["id"], d) for r in rows for d in r["excluded_ids"] if d != "N/A"}
    assert len(excluded) == counts.excluded_pairs
    if f"{name}-long" in TASKS:
        long = {(r["id"], d) for r in rows for d in r["gold_ids_long"]}
        assert len(long) == TASKS[f"{name}-long"].counts.gold_pairs
