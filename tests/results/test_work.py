"""The work behind entries: counted whole, unknown where it is unknown, added up by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.work import (
    Work,
    chat_work,
    on_queries,
    rerank_work,
    retrieval_work,
    together,
    work_of,
)
from tests.helpers.measured_store import make_task, measure, some_ranks, store_at

ENCODED = {
    "documents": {"read_tokens": 5_000, "tokens": 9_000, "truncated": 3, "reused": 0},
    "queries": {"read_tokens": 80, "tokens": 80, "truncated": 0, "reused": 0},
}
ASKED = {"calls": 4, "calls_kept": 0, "prompt_tokens": 300, "reply_tokens": 50, "cost": 0.5}


def test_tokens_count_after_truncation_and_whether_stored_or_not():
    computed = retrieval_work(ENCODED)
    assert computed == Work(index_tokens=5_000, query_tokens=80)
    stored = {name: {**facts, "reused": 7} for name, facts in ENCODED.items()}
    assert retrieval_work(stored) == Work(index_tokens=5_000, query_tokens=80, kept=("vectors",))


def test_entries_of_earlier_releases_tell_tokens_only_if_nothing_was_cut():
    old = {
        "documents": {"tokens": 9_000, "truncated": 3},
        "queries": {"tokens": 80, "truncated": 0},
    }
    found = retrieval_work(old)
    assert found is not None
    assert (found.index_tokens, found.query_tokens) == (None, 80)


def test_a_lexical_index_reads_nothing_and_a_run_file_says_nothing():
    assert retrieval_work({"documents": 40, "terms": 9}) == Work()
    assert retrieval_work({}) is None


def test_versions_of_queries_encode_the_documents_once():
    found = retrieval_work({"versions": [ENCODED, ENCODED, ENCODED]})
    assert found == Work(index_tokens=5_000, query_tokens=240)
    assert retrieval_work({"versions": [ENCODED, {}]}) is None


def test_pairs_count_scored_or_stored_and_tokens_only_if_all_were_counted():
    assert rerank_work({"pairs_scored": 3, "pairs_reused": 5, "pair_tokens": 900}) == Work(
        pairs=8, pair_tokens=900, kept=("scores",)
    )
    unknown = rerank_work({"pairs_scored": 3, "pairs_reused": 0})
    assert (unknown.pairs, unknown.pair_tokens, unknown.model_tokens) == (3, None, None)


def test_a_chat_model_is_counted_with_the_searches_that_it_reads():
    found = chat_work({**ASKED, "searches": [ENCODED, ENCODED]})
    assert found == Work(query_tokens=160, calls=4, prompt_tokens=300, reply_tokens=50, cost=0.5)
    assert found.model_tokens == 510


def test_sums_and_what_is_charged():
    whole = on_queries([retrieval_work(ENCODED), chat_work(ASKED)], 10)
    assert whole is not None
    assert (whole.tokens_per_query, whole.cost_per_thousand) == (43.0, 50.0)
    assert together([whole, whole]).tokens_per_query == 43.0
    unpriced = chat_work({**ASKED, "cost": 0.0})
    assert together([chat_work(ASKED), unpriced]).cost is None
    assert on_queries([retrieval_work(ENCODED), None], 10) is None


def test_an_entry_holds_its_work_or_tells_it_by_its_facts(tmp_path: Path):
    store, task = store_at(tmp_path), make_task("biology", 8)
    ranks = some_ranks(8, 1)
    own = measure(store, "a", task, ranks, facts=ENCODED)
    assert work_of(own) == Work(queries=8, index_tokens=5_000, query_tokens=80)
    kept = Work(queries=8, pairs=4, pair_tokens=30, cost=1.5, kept=("scores", "stages"))
    made = measure(
        store, "b", task, ranks, identity={"pipeline": "stages"}, facts={"work": kept.json}
    )
    assert work_of(made) == kept
    old = measure(store, "c", task, ranks, identity={"pipeline": "fuse"}, facts=ENCODED)
    assert work_of(old) is None


@pytest.mark.parametrize("queries", [0, 4])
def test_means_need_queries(queries: int):
    assert Work(queries=queries, query_tokens=8).tokens_per_query == (2.0 if queries else None)
