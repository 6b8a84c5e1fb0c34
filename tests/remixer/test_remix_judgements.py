"""Judgements of full length: whole, scored, and enough to distil a judge from by the stages."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import rebench
from harness.data.trec import read_run
from remixer.config import MineOptions, RemixConfig
from remixer.stages.annotate import parse_score
from tests.helpers.command_run import runner
from tests.remixer.test_remix_examples import EXAMPLES, for_this_python

MODEL = "written-at-length"
STEPS = ("1. Query analysis: ", "\n2. Document analysis: ", "\n3. Relevance annotation: ")


@pytest.fixture(scope="module")
def judged() -> dict[tuple[str, str], str]:
    """Return (source, candidate) -> what was written."""
    found = {}
    with gzip.open(EXAMPLES / "stdlib-judgements.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            about = record["request"]["about"]
            assert record["request"]["model"] == MODEL
            if about["stage"] == "annotate":
                found[about["doc_id"], about["candidate"]] = record["reply"]["text"]
    return found


def test_each_listed_pair_is_judged_in_three_steps(judged):
    run = read_run(EXAMPLES / "stdlib-judgements.trec.gz")
    pairs = {(s, doc) for s, ranking in run.rankings.items() for doc in ranking.doc_ids}
    assert judged.keys() == pairs
    assert len(pairs) == 310
    for text in judged.values():
        places = [text.index(step) for step in STEPS]
        assert places == sorted(places)
        assert 100 <= len(text.split()) <= 512
        assert re.search(r"\n\n<score>[1-5]</score>$", text)
    assert len(set(judged.values())) == 310
    assert {parse_score(text) for text in judged.values()} == {1, 2, 3, 4, 5}


@for_this_python
def test_the_stages_take_them_and_turn_them_into_conversations(
    judged, tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch
):
    config = RemixConfig(
        domain_filter=False,
        reason=False,
        sources=frozenset((EXAMPLES / "stdlib-judgement-sources.txt").read_text().split()),
        mine=MineOptions(depth=10),
    )
    done = rebench.remix(
        tmp_path / "run",
        "stdlib-oblique",
        llm=f"replay:{EXAMPLES / 'stdlib-judgements.jsonl.gz'}",
        llm_model=MODEL,
        candidates=EXAMPLES / "stdlib-judgements.trec.gz",
        config=config,
    )
    counts = done.to_dict()["annotate"]
    assert counts["pairs"] == 10 * done.to_dict()["mine"]["queries"] >= 200
    assert counts["label_none"] == 0
    made = runner(capfd, monkeypatch, tmp_path, "remix")(
        "annotator-data", "--output", "judge.jsonl", "--out", "run", "--task", "stdlib-oblique",
        "--llm-model", MODEL,
    )  # fmt: skip
    assert made.code == 0, made.err
    rows = [json.loads(line) for line in (tmp_path / "judge.jsonl").read_text().splitlines()]
    assert len(rows) == counts["pairs"]
    replies = Counter(row["messages"][-1]["content"] for row in rows)
    assert replies.keys() <= set(judged.values())
