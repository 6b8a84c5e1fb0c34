"""BM25 against the formula written out, the known values, and the rules for ties and exclusions."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, PromptFields, Query, Task
from harness.search import bm25 as bm25_module
from harness.search.bm25 import Bm25Retriever, Bm25Settings, bm25, bm25_bow, build_index
from harness.search.lucene import term_counts
from harness.search.lucene.analyzer import analyze
from harness.search.lucene.term_counts import TermCounter


def _task(documents, queries, excluded=None):
    """Return a task of documents (id -> text) and query texts."""
    return Task(
        name="made-up",
        group="test",
        revision="1",
        query_set="original",
        queries=tuple(Query(f"q{number}", text) for number, text in enumerate(queries)),
        qrels={},
        excluded={name: frozenset(ids) for name, ids in (excluded or {}).items()},
        head_metric="ndcg@10",
        prompt_fields=PromptFields("made-up", "Made-up", "post", "post", "passages"),
        corpus=Corpus(tuple(documents), tuple(documents.values())),
    )


def _search(retriever, task, k=1000):
    """Return query id -> [(document id, score)]."""
    rankings = retriever.search(task, k, SilentReporter()).run.rankings
    return {
        name: list(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        for name, ranking in rankings.items()
    }


def _slow_scores(texts, query, k1, b, weighted):
    """Score every document by gensim's formula, in plain floats, term by term."""
    documents = [Counter(analyze(text)) for text in texts]
    average = sum(document.total() for document in documents) / len(documents)

    def weights(counts):
        result = {}
        for term, count in counts.items():
            holding = sum(term in document for document in documents)
            idf = math.log(len(documents) + 1) - math.log(holding + 0.5)
            norm = k1 * (1 - b + b * counts.total() / average)
            result[term] = idf * count / (count + norm)
        return result

    known = [term for term in analyze(query) if any(term in document for document in documents)]
    asked = weights(Counter(known)) if weighted else Counter(known)
    return [
        sum(asked.get(term, 0) * weight for term, weight in weights(document).items())
        for document in documents
    ]


WORDS = "motor motors the IT's 3.5 x_1 café Σ turning turned"
phrases = st.lists(st.sampled_from(WORDS.split()), max_size=9).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(phrases, min_size=1, max_size=9),
    st.lists(phrases, min_size=1, max_size=4),
    st.sampled_from([(0.9, 0.4), (1.5, 0.75), (0.0, 1.0), (2.0, 0.0)]),
    st.booleans(),
)
def test_scores_are_the_written_out_formula(texts, queries, constants, weighted):
    documents = {f"d{number}": text for number, text in enumerate(texts)}
    retriever = Bm25Retriever("any", Bm25Settings(*constants, weighted_query=weighted))
    found = _search(retriever, _task(documents, queries))
    for number, query in enumerate(queries):
        ranking = found[f"q{number}"]
        slow = dict(zip(documents, _slow_scores(texts, query, *constants, weighted), strict=True))
        assert len(ranking) == len(texts)
        assert dict(ranking) == pytest.approx(slow, rel=1e-6, abs=1e-9)
        assert ranking == sorted(ranking, key=lambda pair: (pair[1], pair[0]), reverse=True)


@pytest.mark.parametrize(
    ("collection", "make", "expected"),
    [
        ("cranfield", bm25, 0.33285),
        ("cranfield", bm25_bow, 0.36556),
        ("theoremqa-mini", bm25, 0.30535),
        ("theoremqa-mini", bm25_bow, 0.20547),
    ],
)
def test_known_values(shared_data, collection, make, expected):
    import pytrec_eval

    folder = shared_data / "collections" / collection
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    documents = {row["_id"]: (row.get("title", "") + " " + row["text"]).strip() for row in rows}
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line) for line in lines]
    qrels = {}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        for query, document, relevance in list(csv.reader(file, delimiter="\t"))[1:]:
            qrels.setdefault(query, {})[document] = int(relevance)
    found = _search(make(), _task(documents, [query["text"] for query in queries]))
    run = {query["_id"]: dict(found[f"q{i}"]) for i, query in enumerate(queries)}
    values = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    assert len(values) == len(qrels)
    mean = np.mean([value["ndcg_cut_10"] for value in values.values()])
    assert mean == pytest.approx(expected, abs=0.000005)


def test_equal_scores_rank_by_id_descending_and_strangers_score_nothing():
    documents = {"b": "red fox", "a": "red fox", "é": "red fox", "z": "blue", "c": "", "Z": "red"}
    ranking = _search(bm25(), _task(documents, ["red fox"]))["q0"]
    assert [name for name, _ in ranking] == ["é", "b", "a", "Z", "z", "c"]
    assert [score for _, score in ranking[4:]] == [0.0, 0.0]
    assert ranking[0][1] == ranking[1][1] == ranking[2][1] > ranking[3][1] > 0
    cut = _search(bm25(), _task(documents, ["red fox"]), k=2)["q0"]
    assert [name for name, _ in cut] == ["é", "b"]


def test_excluded_documents_cost_no_place():
    documents = {f"d{number:03}": "red fox" if number % 2 else "red" for number in range(200)}
    best = [f"d{number:03}" for number in range(1, 200, 2)]
    task = _task(documents, ["fox", "fox"], {"q0": [*best[:-3], "not a document"]})
    found = _search(bm25(), task, k=5)
    assert [name for name, _ in found["q0"]] == ["d199", "d197", "d195", "d198", "d196"]
    assert [name for name, _ in found["q1"]] == ["d199", "d197", "d195", "d193", "d191"]


def test_a_query_without_known_terms_still_ranks_every_document():
    documents = {"a": "red", "b": "", "c": "blue"}
    found = _search(bm25(), _task(documents, ["", "the", "zebra"]))
    assert all(ranking == [("c", 0.0), ("b", 0.0), ("a", 0.0)] for ranking in found.values())
    assert _search(bm25(), _task({"a": "", "b": "the"}, ["red"]))["q0"] == [("b", 0.0), ("a", 0.0)]


def test_unknown_terms_do_not_lengthen_the_query():
    task = _task({"a": "red fox", "b": "red dog"}, ["fox", "fox zebra unicorn", "fox fox zebra"])
    found = _search(bm25(), task)
    assert found["q0"] == found["q1"] != found["q2"]


def test_scores_depend_on_neither_blocks_nor_company(monkeypatch):
    rng = np.random.default_rng(3)
    words = [f"w{number}" for number in range(60)]
    documents = {f"d{i}": " ".join(rng.choice(words, rng.integers(0, 40))) for i in range(50)}
    queries = [" ".join(rng.choice(words, 12)) for _ in range(7)]
    together = _search(bm25(), _task(documents, queries))
    monkeypatch.setattr(bm25_module, "_DOCUMENTS_AT_ONCE", 7)
    monkeypatch.setattr(bm25_module, "_QUERIES_AT_ONCE", 2)
    monkeypatch.setattr(term_counts, "_REMEMBERED_TOKENS", 5)
    assert _search(bm25(), _task(documents, queries)) == together
    alone = [_search(bm25(), _task(documents, [query]))["q0"] for query in queries]
    assert alone == list(together.values())


def test_index_rows_are_ascending_terms_of_each_document():
    texts = ["red red fox", "", "fox's dens", "the"]
    counts = TermCounter()
    counted = counts.count(texts)
    assert counts.vocabulary == {"red": 0, "fox": 1, "den": 2}
    assert counted.sizes.tolist() == [2, 0, 2, 0]
    assert counted.lengths.tolist() == [3, 0, 2, 0]
    assert counted.terms.tolist() == [0, 1, 1, 2]
    assert counted.frequencies.tolist() == [2, 1, 1, 1]
    done = []
    index = build_index(texts, Bm25Settings(), lambda n=1, /, *, tokens=0: done.append(n))
    assert sum(done) == len(index) == 4
    assert index.average_length == 1.25


def test_identity_names_what_changes_a_run():
    task = _task({"a": "red"}, ["red"])
    made = [
        bm25(),
        bm25_bow(),
        Bm25Retriever("bm25", Bm25Settings(k1=1.2)),
        Bm25Retriever("bm25", Bm25Settings(b=0.75)),
    ]
    identities = {json.dumps(retriever.identity(task), sort_keys=True) for retriever in made}
    assert len(identities) == 4
    assert all("lucene-english/1" in identity for identity in identities)


def test_facts_and_timings():
    task = _task({"a": "red fox", "b": ""}, ["red"])
    retrieved = bm25().search(task, 10, SilentReporter())
    assert retrieved.facts == {"documents": 2, "terms": 2, "average_length": 1.0}
    assert set(retrieved.timings) == {"index", "search"}


@pytest.mark.parametrize(("k1", "b"), [(-1, 0.4), (math.inf, 0.4), (math.nan, 0.4), (0.9, 1.1)])
def test_constants_out_of_range(k1, b):
    with pytest.raises(BadInput, match=f"k1 = {k1}"):
        Bm25Settings(k1=k1, b=b)


def test_nothing_to_search():
    with pytest.raises(BadInput, match="k is 0"):
        bm25().search(_task({"a": "red"}, ["red"]), 0, SilentReporter())
    with pytest.raises(BadInput, match="'made-up' has no documents"):
        bm25().search(_task({}, ["red"]), 10, SilentReporter())
