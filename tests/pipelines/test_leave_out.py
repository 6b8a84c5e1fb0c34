"""Pipelines without one of their parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.api.pipelining import shipped_pipelines
from harness.pipelines.staged.leave_out import LeftOut, parts_of, without
from harness.pipelines.staged.pipeline import Pipeline
from harness.pipelines.staged.spec import FuseStage, RerankStage, RetrieveStage
from tests.helpers.command_run import runner
from tests.helpers.small_task import write_beir

RECIPES = shipped_pipelines()


def names(recipe: str, part: LeftOut) -> list[str]:
    return [stage.name for stage in without(RECIPES[recipe], part).stages]


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_left_is_a_whole_pipeline(recipe: str):
    parts = parts_of(RECIPES[recipe])
    assert len({part.label for part in parts}) == len(parts) > 0
    for part in parts:
        left = without(RECIPES[recipe], part)
        assert left.name == f"{recipe}-without-{part.label}"
        assert left.result.name in left.inputs
        assert len(left.stages) <= len(RECIPES[recipe].stages)
        assert left != RECIPES[recipe]


def test_without_a_rewrite_the_original_query_is_searched_with():
    left = without(RECIPES["xrr2"], LeftOut("expand"))
    assert [stage.name for stage in left.stages] == ["find", "pick", "order"]
    assert left.inputs["find"] == ()


def test_without_a_rewrite_a_reranker_reads_the_original_query(tmp_path: Path):
    (tmp_path / "p.toml").write_text(
        "[[pipelines.p.stage]]\nname = 'ask'\nkind = 'rewrite'\nfile = 'x.json'\n"
        "[[pipelines.p.stage]]\nname = 'find'\nkind = 'retrieve'\nmodels = ['bm25']\n"
        "[[pipelines.p.stage]]\nname = 'order'\nkind = 'rerank'\nmodel = 'llm-score'\n"
        "query = 'ask'\n"
    )
    left = without(Pipeline.from_toml(tmp_path / "p.toml"), LeftOut("ask", label="ask"))
    order = left.result
    assert isinstance(order, RerankStage)
    assert order.query == "original"


def test_what_only_the_rewrite_read_goes_with_it():
    assert "first" not in names("diver-v2", LeftOut("expand"))


def test_without_a_reranking_its_readers_read_what_it_read():
    left = without(RECIPES["xrr2"], LeftOut("pick"))
    assert left.inputs["order"] == ("find",)
    assert without(RECIPES["xrr2"], LeftOut("order")).result.name == "pick"


def test_a_fusion_of_one_list_is_that_list():
    left = without(RECIPES["reasonrank"], LeftOut("find", "bm25"))
    assert [stage.name for stage in left.stages] == ["find", "order"]
    find = left.stage("find")
    assert isinstance(find, RetrieveStage)
    assert find.models == ("rader-gte-qwen2-7b",)


def test_a_reranking_that_is_fused_loses_its_weight():
    left = without(RECIPES["bge-reasoner"], LeftOut("8b-30"))
    result = left.result
    assert isinstance(result, FuseStage)
    assert "8b-30" not in result.weights
    assert len(result.weights) == 6
    assert isinstance(left.stage("8b-100"), RerankStage)


def test_the_first_of_two_rerankings_that_are_fused():
    left = without(RECIPES["diver-v2"], LeftOut("pointwise"))
    assert left.inputs["result"] == ("merge", "listwise")
    assert left.inputs["listwise"] == ("merge",)
    fused = left.result
    assert isinstance(fused, FuseStage)
    assert fused.weights == {"merge": 0.6, "listwise": 0.4}


TWO_FUSIONS = """
[[pipelines.p.stage]]
name = "find"
kind = "retrieve"
models = ["bm25", "bm25-bow", "wordllama"]
[[pipelines.p.stage]]
name = "one"
kind = "fuse"
method = "wsum"
weights = { bm25 = 1, bm25-bow = 2, wordllama = 3 }
[[pipelines.p.stage]]
name = "both"
kind = "fuse"
method = "wsum"
from = ["find", "one"]
weights = { bm25 = 1, bm25-bow = 1, wordllama = 1, one = 5 }
"""


def test_a_list_that_two_stages_fuse_leaves_both(tmp_path: Path):
    (tmp_path / "p.toml").write_text(TWO_FUSIONS)
    pipeline = Pipeline.from_toml(tmp_path / "p.toml")
    parts = parts_of(pipeline)
    assert [part.label for part in parts] == ["bm25", "bm25-bow", "wordllama", "one"]
    left = without(pipeline, parts[0])
    first, second = left.stage("one"), left.stage("both")
    assert isinstance(first, FuseStage)
    assert isinstance(second, FuseStage)
    assert set(first.weights) == {"bm25-bow", "wordllama"}
    assert set(second.weights) == {"bm25-bow", "wordllama", "one"}
    assert [stage.name for stage in without(pipeline, parts[3]).stages] == ["find", "both"]


def test_the_command_tests_what_each_part_brings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    write_beir(tmp_path / "small")
    (tmp_path / "rebench.toml").write_text(
        "[[pipelines.two.stage]]\nname = 'find'\nkind = 'retrieve'\n"
        "models = ['bm25', 'wordllama']\n"
        "[[pipelines.two.stage]]\nname = 'join'\nkind = 'fuse'\n"
    )
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "measured"))
    rebench = runner(capsys, monkeypatch, tmp_path, "ablate", "pipeline")
    done = rebench("two", "--tasks", "small", "--json")
    assert done.code == 0, done.err
    whole, *without_each = done.json["rows"]
    assert (whole["pipeline"], whole["brings"]) == ("two", None)
    assert [row["pipeline"] for row in without_each] == ["without bm25", "without wordllama"]
    for row in without_each:
        assert row["brings"] == pytest.approx(whole["mean"] - row["mean"])
        assert 0 < row["corrected p"] <= 1
    stored = {path.name for path in (tmp_path / "measured").iterdir()}
    assert {"two", "two-without-bm25", "two-without-wordllama"} <= stored
    report = (tmp_path / "ablations" / "pipeline-two" / "report.md").read_text(encoding="utf-8")
    assert "without wordllama" in report
    assert "#" not in report.split("\n", 1)[1], "no hashes"
    assert "no pipeline is named" in rebench().err
    assert "--seeds is for ablations that train" in rebench("two", "--seeds", "1,2").err
