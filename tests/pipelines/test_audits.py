"""Audits of rewrites and runs beside chance, and files of rewrites as they come."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import BadInput
from harness.core.types import Query, Ranking, Run
from harness.data.query_sets import read_rewrites, with_query_file
from harness.pipelines.answers import Known, title_of
from harness.pipelines.audit_queries import audit_queries, content_words
from harness.pipelines.audit_run import audit_run
from harness.pipelines.permutation import against_chance
from tests.helpers.command_run import Done, runner
from tests.helpers.measured_store import make_task, measure, store_at

WORDS = ["alpha", "bravo", "charlie", "delta", "echoes", "foxtrot", "golfer", "hotels"]


def by_name(measures) -> dict:
    return {each.name: each for each in measures}


def task_of(count: int = 8):
    task = make_task("biology", count)
    texts = tuple(Query(q.id, f"question number {WORDS[at]}") for at, q in enumerate(task.queries))
    return replace(task, queries=texts)


def test_a_rewrite_that_knows_its_answer_stands_out_from_chance():
    task = task_of()
    answers = {f"q{at}": f"because {WORDS[at - 1]}xx works" for at in range(8)}
    knowing = {qid: f"find {text}" for qid, text in answers.items()}
    found = by_name(audit_queries(task, knowing, Known(answers, {})))["new words in the answer"]
    assert found.value == pytest.approx(75)  # because, …xx, works of four; "find" is not there
    assert found.chance == pytest.approx(50)  # "because" and "works" are in every answer
    assert found.p < 0.01

    blind = dict.fromkeys(answers, "find because xray works")
    found = by_name(audit_queries(task, blind, Known(answers, {})))["new words in the answer"]
    assert found.value == found.chance
    assert found.p == pytest.approx(1)
    repeated = by_name(audit_queries(task, blind, Known({}, {})))["repeated rewrites"]
    assert (repeated.value, repeated.p) == (7, None)


def test_words_of_the_query_itself_do_not_count():
    task = task_of(2)
    texts = {query.id: query.text for query in task.queries}
    found = by_name(audit_queries(task, texts, Known(texts, {})))
    assert found["new words in the answer"].value == 0
    assert found["sameness"].value == pytest.approx(50)  # question, number of four


def test_p_counts_the_pairings_that_reach_the_value():
    pairs = np.eye(4)
    own, others, p = against_chance(pairs, permutations=2_000)
    assert (own, others) == (1, 0)
    assert p == pytest.approx(1 / 24, abs=0.02)  # one of 4! pairings is the true one
    assert against_chance(np.ones((3, 3)), permutations=50)[2] == 1


def test_titles_and_words():
    assert title_of("insects/Proximate_and_ultimate_causation_0.txt") == (
        "Proximate and ultimate causation"
    )
    assert content_words("The Moths' lights, a LED 2024") == {"moth", "light"}


def test_a_query_blind_run_scores_what_chance_scores():
    task = make_task("biology", 6, gold={f"q{at}": ["x", f"g{at}"] for at in range(6)})
    blind = Ranking(("x", "y"), np.array([2, 1], dtype=np.float32))
    found = by_name(audit_run(Run(dict.fromkeys(task.qrels, blind)), task))
    assert found["nDCG@10"].value == pytest.approx(found["nDCG@10"].chance)
    assert found["nDCG@10"].p == pytest.approx(1)
    assert found["sameness of top 10"].value == 100
    assert found["floor"].value == pytest.approx(100 / (1 + 1 / np.log2(3)))
    assert found["depth, most"].value == 2

    own = {
        qid: Ranking((f"g{qid[1:]}", f"n{qid}"), np.array([1, 1], dtype=np.float32))
        for qid in list(task.qrels)[:5]
    }
    odd = replace(task, excluded={"q0": frozenset(["nq0"])})
    found = by_name(audit_run(Run({**own, "zz": blind}), odd))
    assert found["nDCG@10"].chance == 0
    assert found["nDCG@10"].p < 0.05
    assert found["queries with ties in the top 11"].value == 5
    assert found["excluded documents"].value == 1
    assert found["unknown queries"].value == 1
    assert found["queries without a list"].value == 1


def forms() -> dict[str, object]:
    rows = [{"id": f"q{at}", "query": f"new {at}", "gold_ids": ["x"]} for at in range(3)]
    return {
        "rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "array.json": json.dumps(rows),
        "by_text.json": json.dumps(
            {f"question number {WORDS[at]}": f"new {at}" for at in range(8)}
        ),
        "by_id.json": json.dumps({f"q{at}": f"new {at}" for at in range(3)}),
    }


@pytest.mark.parametrize("name", forms())
@pytest.mark.parametrize("packed", [False, True])
def test_rewrites_are_read_as_they_come(name: str, packed: bool, tmp_path: Path):
    task = task_of(3)
    path = tmp_path / (f"{name}.gz" if packed else name)
    data = str(forms()[name]).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert read_rewrites(task, path) == {f"q{at}": f"new {at}" for at in range(3)}
    with_them = with_query_file(task, path)
    assert [query.text for query in with_them.queries] == ["new 0", "new 1", "new 2"]
    assert with_them.query_set.startswith("file:")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"question number alpha": "a"}', "2 of 3 queries of biology have no rewrite"),
        ('{"q0": "a", "q1": " ", "q2": "c"}', "1 of 3 queries are empty, such as 'q1'"),
        ('[{"id": "q0", "query": "a"}]', "2 of 3 judged queries have no text"),
        ('{"q0": 3}', "neither rows nor an object of texts"),
        ('["a"]', "neither rows nor an object of texts"),
        ("[1", "not JSON"),
    ],
)
def test_bad_rewrite_files_are_refused(content: str, said: str, tmp_path: Path):
    path = tmp_path / "rewrites.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=said):
        read_rewrites(task_of(3), path)


@pytest.fixture
def audit(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "rebench-results"))
    return runner(capsys, monkeypatch, tmp_path, "audit")


def test_the_commands(audit, tmp_path: Path):
    store = store_at(tmp_path)
    entry = measure(store, "one", make_task("biology", 8), [1, 2, None, 3, 1, 1, 5, 12])
    told = audit("run", "one", "--task", "biology", "--json")
    assert told.code == 0, told.err
    own = next(each for each in told.json if each["name"] == "nDCG@10")
    assert own["value"] == pytest.approx(100 * entry.metrics["ndcg@10"])
    table = audit("run", "one", "--task", "biology")
    assert "chance" in table.out.splitlines()[0]
    assert audit("run", "absent", "--task", "biology").code == 2


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(
    not (SHARED / "rewrites").is_dir(), reason="needs real rewrites, which are on another machine"
)
def test_real_rewrites_of_every_task_are_read(audit):
    path = SHARED / "rewrites" / "tongsearch-qr-7b.json.gz"
    for task in ("biology", "theoremqa_theorems"):
        told = audit("queries", path, "--task", task, "--data", SHARED / "bright", "--json")
        assert told.code == 0, told.err
        found = {each["name"]: each for each in told.json}
        assert found["words, median"]["queries"] == {"biology": 103}.get(task, 76)
        if task == "biology":
            title = found["a new word in a gold title"]
            assert title["value"] > title["chance"]
