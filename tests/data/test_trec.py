"""Run files: both formats, odd ids, exact scores, ties, bad lines, and the fit to a task."""

import gzip
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput
from harness.core.types import Corpus, PromptFields, Query, Ranking, Run, Task
from harness.data.trec import check_run, inspect_run, read_run, write_run


def read(tmp_path, text, name="run"):
    path = tmp_path / name
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read_run(path)


def plain(run):
    """Return a run as lists, for comparing."""
    return {
        qid: list(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        for qid, ranking in run.rankings.items()
    }


def run_of(rankings):
    return Run(
        {
            qid: Ranking(tuple(d for d, _ in pairs), np.array([s for _, s in pairs], np.float32))
            for qid, pairs in rankings.items()
        }
    )


@pytest.mark.parametrize("name", ["run.trec", "run.trec.gz", "run.json"])
def test_trec_lines_whatever_the_name(tmp_path, name):
    run = read(tmp_path, "q Q0 b 1 2.5 tag\nq Q0 a 2 3 tag\r\n\nr Q0 a 1 1e-3 tag\n", name)
    assert plain(run) == {"q": [("a", 3.0), ("b", 2.5)], "r": [("a", float(np.float32(1e-3)))]}
    assert run.rankings["q"].scores.dtype == np.float32


@pytest.mark.parametrize("name", ["score.json", "score.json.gz", "run.trec"])
def test_score_dictionaries_whatever_the_name(tmp_path, name):
    text = json.dumps({"q": {"b 1": 2, "a": 3.5}, "r": {"a": 0}}, indent=2)
    run = read(tmp_path, text, name)
    assert plain(run) == {"q": [("a", 3.5), ("b 1", 2.0)], "r": [("a", 0.0)]}


@pytest.mark.parametrize(
    "line",
    [
        "q Q0 Memory Management_5_0.txt 1 2.5 tag",
        "q\tQ0\tMemory Management_5_0.txt\t1\t2.5\ttag",
        " q  Q0\tMemory Management_5_0.txt   1 2.5\t tag ",
    ],
)
def test_a_document_id_may_hold_spaces(tmp_path, line):
    assert plain(read(tmp_path, line)) == {"q": [("Memory Management_5_0.txt", 2.5)]}


def test_a_query_id_may_begin_as_json_does(tmp_path):
    run = run_of({'{"q"': [("a", 1.0)]})
    assert plain(read(tmp_path, write_run(run, "tag"))) == plain(run)


def test_ranks_are_ignored_and_ties_stand_by_id_descending(tmp_path):
    lines = ["q Q0 a 1 1 t", "q Q0 é 2 1 t", "q Q0 b 3 1 t", "q Q0 z 4 0.5 t", "q Q0 c 5 9 t"]
    assert read(tmp_path, "\n".join(lines)).rankings["q"].doc_ids == ("c", "é", "b", "a", "z")


def test_scores_that_meet_in_float32_are_ties(tmp_path):
    text = "q Q0 a 1 0.7000000000003 t\nq Q0 b 2 0.7 t\n"
    assert read(tmp_path, text).rankings["q"].doc_ids == ("b", "a")


def test_the_ranking_is_pytrec_evals(tmp_path):
    """One relevant document at a time: its reciprocal rank tells where pytrec_eval has it."""
    import pytrec_eval

    rng = random.Random(7)
    scores = {f"d{n}": rng.choice([0.1, 0.1 + 1e-12, 0.5, 3]) for n in range(40)}
    ranked = read(tmp_path, json.dumps({"q": scores})).rankings["q"].doc_ids
    qrels = {f"q{doc}": {doc: 1} for doc in scores}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"})
    found = evaluator.evaluate({qid: dict(scores) for qid in qrels})
    ranks = {doc: round(1 / found[f"q{doc}"]["recip_rank"]) for doc in scores}
    assert list(ranked) == sorted(ranks, key=ranks.__getitem__)


IDS = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(c) for c in (*range(32), 127)]
    ),
    min_size=1,
    max_size=12,
)
SCORES = st.floats(width=32, allow_nan=False, allow_infinity=False)
RANKINGS = st.dictionaries(
    IDS, st.dictionaries(IDS, SCORES, min_size=1, max_size=8), min_size=1, max_size=4
)


@given(RANKINGS)
def test_what_is_written_reads_back_equal(tmp_path_factory, rankings):
    path = tmp_path_factory.mktemp("runs") / "run"
    path.write_text(json.dumps(rankings))
    run = read_run(path)
    path.write_text(write_run(run, "tag"), encoding="utf-8", newline="")
    again = read_run(path)
    assert list(again.rankings) == list(run.rankings)
    for qid, ranking in run.rankings.items():
        assert again.rankings[qid].doc_ids == ranking.doc_ids
        assert again.rankings[qid].scores.tobytes() == ranking.scores.tobytes()
        expected = sorted(
            ((np.float32(score), doc) for doc, score in rankings[qid].items()), reverse=True
        )
        assert list(ranking.doc_ids) == [doc for _, doc in expected]


def test_lines_are_tab_separated_and_ranked_from_one():
    text = write_run(run_of({"q": [("b c", 2.5), ("a", 0.1)]}), "mine")
    assert text == "q\tQ0\tb c\t1\t2.5\tmine\nq\tQ0\ta\t2\t0.1\tmine\n"


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "", "\ud800"])
def test_ids_that_no_line_can_hold_are_not_written(value):
    with pytest.raises(BadInput):
        write_run(run_of({"q": [(value, 1.0)]}), "tag")
    with pytest.raises(BadInput):
        write_run(run_of({value: [("a", 1.0)]}), "tag")
    with pytest.raises(BadInput, match="tag"):
        write_run(run_of({"q": [("a", 1.0)]}), value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 a 1 1 t\nq Q0 b 2 t\n", "line 2: 5 fields, expected query id"),
        ("q Q0 a 1 1 \r\n", "line 1: 5 fields"),
        ("q Q0 a 1 1 t\nq Q0 b 2 high t\n", "line 2: score 'high' is no number"),
        ("q Q0 a 1 nan t\n", "line 1: score nan is not a finite number"),
        ("q Q0 a 1 -inf t\n", "line 1: score -inf is not"),
        ("q Q0 a 1 3.41e38 t\n", "line 1: score 3.41e38 is not"),
        ("q Q0 a 1 1 t\nr Q0 a 1 1 t\nq Q0 a 2 0 t\n", "ranks 'a' twice (places 1 and 3)"),
        ("q\tQ0\ta\x00b\t1\t1\tt\n", "control character"),
        ("q\tQ0\t\t1\t1\tt\n", "the id is empty"),
        ("\n \n", "holds no ranking"),
        ("", "holds no ranking"),
        ("{}", "holds no ranking"),
        ('{"q": {"a": NaN}}', "score NaN is not a finite number"),
        ('{"q": {"a": -Infinity}}', "score -Infinity is not"),
        ('{"q": {"a": 1e39}}', "query 'q', document 'a': score 1e+39 is not"),
        ('{"q": {"a": 1' + "0" * 400 + "}}", "is not a finite number"),
        ('{"q": {"a": "1"}}', "score '1' is no number"),
        ('{"q": {"a": true}}', "score True is no number"),
        ('{"q": {"a": 1, "a": 2}}', "'a' comes twice"),
        ('{"q": {"a": 1}, "q": {}}', "'q' comes twice"),
        ('{"q": 1}', "query 'q': expected an object, found int"),
        ('{"q": {"a": 1}', "not JSON"),
        ('{"q": {"a\\nb": 1}}', "control character"),
    ],
)
def test_bad_runs_are_named(tmp_path, text, message):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)
    assert message in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_the_largest_float32_is_finite(tmp_path):
    assert plain(read(tmp_path, "q Q0 a 1 3.4028235e38 t"))["q"][0][1] == np.finfo(np.float32).max


def test_a_damaged_gzip_is_refused_by_name(tmp_path):
    path = tmp_path / "run.gz"
    path.write_bytes(gzip.compress(b"q Q0 a 1 1 t\n" * 500)[:-8])
    with pytest.raises(BadInput, match=r"run\.gz cannot be read to its end"):
        read_run(path)


def task_of(qrels, excluded=None, corpus=None):
    return Task(
        name="toy",
        group="beir",
        revision="1",
        query_set="original",
        queries=tuple(Query(qid, "text") for qid in qrels),
        qrels=qrels,
        excluded=excluded or {},
        head_metric="ndcg@10",
        prompt_fields=PromptFields("toy", "toy", "query", "query", "documents"),
        corpus=None if corpus is None else Corpus(tuple(corpus), ("",) * len(corpus)),
    )


def test_a_run_that_fits():
    report = check_run(run_of({"q": [("a", 1.0)]}), task_of({"q": {"a": 1}}, corpus="ab"))
    assert report.missing == ()
    assert report.notes == ()


def test_missing_queries_are_reported_not_refused():
    task = task_of({"q": {"a": 1}, "r": {"a": 1}, "s": {"a": 1}})
    report = check_run(run_of({"q": [("a", 1.0)], "s": []}), task)
    assert report.missing == ("r", "s")
    assert "2 of 3 judged queries" in report.notes[0]


def test_excluded_ids_are_refused_with_their_number():
    task = task_of({"q": {"a": 1}, "r": {"a": 1}}, {"q": frozenset("xyz"), "r": frozenset("x")})
    run = run_of({"q": [("z", 2.0), ("a", 1.5), ("y", 1.0)], "r": [("a", 1.0), ("y", 0.5)]})
    assert inspect_run(run, task).excluded == {"q": ("z", "y")}
    with pytest.raises(BadInput, match=r"2 documents \(for 1 queries; query 'q', document 'z'\)"):
        check_run(run, task)


def test_unknown_queries_are_refused():
    with pytest.raises(BadInput, match="answers 1 queries that toy does not have, such as 'r'"):
        check_run(run_of({"q": [("a", 1.0)], "r": [("a", 1.0)]}), task_of({"q": {"a": 1}}))


def test_unknown_documents_are_refused_where_the_corpus_is_known():
    run = run_of({"q": [("a", 2.0), ("n", 1.0)]})
    assert check_run(run, task_of({"q": {"a": 1}})).unknown_documents == {}
    with pytest.raises(BadInput, match=r"1 documents .* document 'n'"):
        check_run(run, task_of({"q": {"a": 1}}, corpus="ab"))


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path):
    line = "q1 Q0 d1 1 2.5 x\n"
    assert plain(read(tmp_path, f"\ufeff{line}")) == plain(read(tmp_path, line))
    scores = json.dumps({"q1": {"d1": 2.5}})
    assert plain(read(tmp_path, f"\ufeff{scores}")) == plain(read(tmp_path, scores))
