"""Runs as other systems write them: every shape, the order of lists, and what is refused where."""

import json
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.types import Ranking, Run
from harness.data.run_formats import RANKS_FOR_SCORES, UNORDERED, is_run_folder
from harness.data.trec import read_run, read_run_file, write_run

IDS = st.text(string.ascii_letters + string.digits + " _-./é{[", min_size=1, max_size=6).filter(
    lambda text: text == text.strip()
)
LISTS = st.dictionaries(IDS, st.lists(IDS, min_size=1, max_size=6, unique=True), min_size=1)


def written(tmp_path, value, name="run.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def orders(run):
    return {qid: list(ranking.doc_ids) for qid, ranking in run.rankings.items()}


def scores(run, qid):
    return run.rankings[qid].scores.tolist()


def rank_llm(lists, score=None):
    """Return rank_llm's records for lists of ids; `score` makes a score of a place from 0."""
    return [
        {
            "query": {"text": "why?", "qid": qid},
            "candidates": [
                {"docid": doc, "doc": {"contents": "…"}} | ({"score": score(at)} if score else {})
                for at, doc in enumerate(ids)
            ],
        }
        for qid, ids in lists.items()
    ]


@settings(max_examples=30, deadline=None)
@given(lists=LISTS)
def test_every_shape_of_a_list_gives_the_list(tmp_path_factory, lists):
    folder = tmp_path_factory.mktemp("run")
    records = rank_llm(lists)
    shapes = {
        "lists.json": json.dumps(lists),
        "array.json": json.dumps(records),
        "lines.jsonl": "\n".join(map(json.dumps, records)),
    }
    for name, text in shapes.items():
        run = read_run(written(folder, text, name))
        assert orders(run) == lists, name
        for qid, ids in lists.items():
            assert scores(run, qid) == list(range(len(ids), 0, -1))


@settings(max_examples=30, deadline=None)
@given(lists=LISTS)
def test_flag_embeddings_results_are_its_score_dictionaries(tmp_path_factory, lists):
    folder = tmp_path_factory.mktemp("run")
    run = Run(
        {
            qid: Ranking(tuple(ids), np.arange(len(ids), 0, -1, dtype=np.float32) / 7)
            for qid, ids in lists.items()
        }
    )
    inner = {
        qid: dict(zip(each.doc_ids, each.scores.tolist(), strict=True))
        for qid, each in run.rankings.items()
    }
    whole = {"eval_name": "bright", "model_name": "m", "reranker_name": "NoReranker",
             "split": "biology", "dataset_name": "bright", "search_results": inner}  # fmt: skip
    found = read_run(written(folder, whole))
    assert write_run(found, "t") == write_run(run, "t")


def test_a_query_may_be_called_search_results(tmp_path):
    run = read_run(written(tmp_path, {"search_results": {"a": 1.0, "b": 2.0}}))
    assert orders(run) == {"search_results": ["b", "a"]}


def test_integer_ids_are_texts(tmp_path):
    assert orders(read_run(written(tmp_path, {"7": [3, 1]}))) == {"7": ["3", "1"]}
    lines = rank_llm({7: [3, 1]})
    assert orders(read_run(written(tmp_path, json.dumps(lines)))) == {"7": ["3", "1"]}


def test_scores_that_follow_the_order_are_kept(tmp_path):
    found = read_run_file(written(tmp_path, rank_llm({"q": ["a", "b"]}, lambda at: 0.5 - at)))
    assert scores(found.run, "q") == [0.5, -0.5]
    assert found.notes == ()


@pytest.mark.parametrize("score", [lambda at: at, lambda at: 1.0], ids=["rising", "tied"])
def test_the_order_counts_where_scores_do_not_follow_it(tmp_path, score):
    records = [*rank_llm({"p": ["x", "y"]}, lambda at: -at), *rank_llm({"q": ["a", "b"]}, score)]
    found = read_run_file(written(tmp_path, records))
    assert orders(found.run) == {"p": ["x", "y"], "q": ["a", "b"]}
    assert scores(found.run, "p") == scores(found.run, "q") == [2.0, 1.0]
    assert found.notes == (RANKS_FOR_SCORES,)


def test_the_hits_of_older_releases(tmp_path):
    hits = [{"content": "…", "qid": 7, "docid": "b", "rank": 1, "score": 2.5},
            {"content": "…", "qid": 7, "docid": "a", "rank": 2, "score": 1.5}]  # fmt: skip
    run = read_run(written(tmp_path, [{"query": "why?", "hits": hits}]))
    assert orders(run) == {"7": ["b", "a"]}
    assert scores(run, "7") == [2.5, 1.5]


def browse(folder, **files):
    folder.mkdir()
    for name, (qid, documents) in files.items():
        record = {"query_id": qid, "status": "completed", "retrieved_docids": documents}
        written(folder, record, f"{name}.json")
    return folder


def test_one_file_per_query(tmp_path):
    folder = browse(tmp_path / "runs", run_1=("769", ["5412", "90"]), run_2=(12, [7]))
    found = read_run_file(folder)
    assert orders(found.run) == {"769": ["5412", "90"], "12": ["7"]}
    assert found.notes == (UNORDERED,)
    assert orders(read_run(folder / "run_2.json")) == {"12": ["7"]}
    assert is_run_folder(folder)
    assert not is_run_folder(tmp_path)


def test_two_files_of_a_query_are_refused(tmp_path):
    folder = browse(tmp_path / "runs", a=("769", ["1"]), b=("769", ["2"]))
    with pytest.raises(BadInput, match=r"b\.json: query '769' is also in a\.json"):
        read_run(folder)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"holds no \.json file"):
        read_run(tmp_path)
    written(tmp_path, {"scores": {}}, "x.json")
    with pytest.raises(BadInput, match=r"x\.json: no list 'retrieved_docids'"):
        read_run(tmp_path)


LINE = json.dumps(rank_llm({"q": ["a"]})[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"q": ["a", "b", "a"]}', "query 'q': 'a' is ranked twice (places 1 and 3)"),
        ('{"q": ["a", null]}', "query 'q': place 2 is None, not an id"),
        ('{"q": ["a", ["b", 1.5]]}', "query 'q': place 2 is ['b', 1.5], not an id"),
        ('{"q": ["a"], "r": {"a": 1}}', "query 'q': expected an object, found list"),
        ('{"q": ["a\\tb"]}', "control character"),
        (f'{LINE}\n{{"query": {{"qid": "r"}}}}\n', "line 2: no list 'candidates'"),
        (f"{LINE}\n\n{LINE[:-1]}\n", "line 3: not JSON"),
        (f"{LINE}\n{LINE}\n", "line 2: query 'q' has a list already"),
        (f'{LINE}\n{{"query": {{"qid": "r"}}, "candidates": [{{"doc": 1}}]}}\n',
         "line 2, candidates, place 1: no 'docid'"),
        (f'{LINE}\n{{"query": {{}}, "candidates": []}}\n', "line 2: query id is None"),
        (f'{LINE}\n{{"query": {{"qid": "r"}}, "candidates": [{{"docid": "a", "score": "1"}}]}}\n',
         "line 2, document 'a': score '1' is no number"),
        (f'{LINE}\n{{"query": {{"qid": "r"}}, "candidates": [{{"docid": "a", "score": NaN}}]}}\n',
         "line 2: score NaN is not a finite number"),
        ('[{"query_id": 1}]', "entry 1: no list 'candidates'"),
        ("[]", "holds no ranking"),
    ],
)  # fmt: skip
def test_bad_lists_are_named(tmp_path, text, message):
    with pytest.raises(BadInput) as caught:
        read_run(written(tmp_path, text))
    assert message in caught.value.message
