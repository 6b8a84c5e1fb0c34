"""Pipelines as files: what each stage reads, and everything that is refused before work starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import BadInput, RebenchError, UnknownName
from harness.pipelines.staged.pipeline import Pipeline, input_systems

ASK = 'name = "ask"\nkind = "rewrite"\nmethod = "reason"\nllm = "replay:x"\n'
FIND = 'name = "find"\nkind = "retrieve"\nmodels = ["bm25", "wordllama"]\n'
JOIN = 'name = "join"\nkind = "fuse"\nmethod = "wsum"\nweights = { bm25 = 1, wordllama = 3 }\n'
ORDER = 'name = "order"\nkind = "rerank"\nmodel = "bge-reranker-v2-m3"\n'


def pipeline(folder: Path, *stages: str, head: str = "") -> Pipeline:
    text = "[pipelines.p]\n" + head + "".join(f"[[pipelines.p.stage]]\n{each}" for each in stages)
    path = folder / "p.toml"
    path.write_text(text, encoding="utf-8")
    return Pipeline.from_toml(path)


def test_each_stage_reads_the_one_before(tmp_path: Path):
    found = pipeline(tmp_path, ASK, FIND, JOIN, ORDER, head='title = "four stages"\n')
    assert found.title == "four stages"
    assert found.inputs == {"ask": (), "find": ("ask",), "join": ("find",), "order": ("join",)}
    assert found.systems["find"] == ("bm25", "wordllama")
    assert [each.name for each in found.order] == ["ask", "find", "join", "order"]


def test_stages_may_be_named_before_they_are_described(tmp_path: Path):
    late = FIND.replace("find", "late") + "from = []\n"
    end = 'name = "end"\nkind = "fuse"\nfrom = ["join", "late"]\n'
    found = pipeline(tmp_path, JOIN + 'from = ["late"]\n', late, end)
    assert [each.name for each in found.order] == ["late", "join", "end"]
    names = [name for name, _, _ in input_systems(found, "end")]
    assert names == ["join", "bm25", "wordllama"]


def test_systems_of_one_name_are_told_apart_by_their_stage(tmp_path: Path):
    other = 'name = "again"\nkind = "retrieve"\nmodels = ["bm25"]\nfrom = []\n'
    fuse = 'name = "all"\nkind = "fuse"\nmethod = "sum"\nfrom = ["find", "again"]\n'
    found = pipeline(tmp_path, FIND, other, fuse)
    names = [name for name, _, _ in input_systems(found, "all")]
    assert names == ["find/bm25", "wordllama", "again/bm25"]


REFUSED = {
    "a circle": (
        (FIND, JOIN + 'from = ["order"]\n', ORDER + 'from = ["join"]\n'), "circle"
    ),
    "two stages of one name": ((FIND, FIND, JOIN), "two stages are called 'find'"),
    "an unknown key": ((FIND + "dept = 3\n", JOIN), "unknown key 'dept'"),
    "an unknown kind": ((FIND.replace("retrieve", "retreive"),), "kind of stage 'retreive'"),
    "an unknown stage": ((FIND, JOIN + 'from = ["fnd"]\n'), "stage 'fnd'"),
    "a stage without input": ((JOIN,), "has no list"),
    "a weight for no system": ((FIND, JOIN.replace("bm25", "bm52")), "weight 'bm52'"),
    "a system without a weight": (
        (FIND, JOIN.replace("bm25 = 1, ", "")), "bm25 has no weight"
    ),
    "weights that sum to 0": (
        (FIND, JOIN.replace("= 1", "= 0").replace("= 3", "= 0")), "all weights are 0"
    ),
    "samples at temperature 0": (
        (ASK + "samples = 3\ntemperature = 0\n", FIND, JOIN), "at temperature 0"
    ),
    "a method and a file": ((ASK + 'file = "x.json"\n', FIND, JOIN), "one of method and file"),
    "rounds that read nothing": ((ASK + "rounds = 2\n", FIND, JOIN), "reads no documents"),
    "a rewrite of a list": ((FIND, ASK + 'from = ["find"]\n', JOIN), "original queries"),
    "a stage that nothing reads": (
        (ASK, FIND + "from = []\n", JOIN), "nothing reads the stage ask"
    ),
    "a result of two lists": ((FIND,), "gives 2 lists"),
    "two lists for a reranker": ((FIND, ORDER), "is given 2 lists"),
    "a depth of 0": ((FIND + "depth = 0\n", JOIN), "depth is 0"),
    "a blend above 1": ((FIND, JOIN, ORDER + "blend = 1.5\n"), "blend is 1.5"),
    "a query of several versions": (
        (ASK + "samples = 2\n", FIND, JOIN, ORDER + 'query = "ask"\n'), "no rewrite of one version"
    ),
    "a search with lists": ((FIND, FIND.replace("find", "more"), JOIN), "searches with queries"),
    "a model twice": ((FIND.replace("wordllama", "bm25"), JOIN), "names bm25 twice"),
    "versions with weights": ((FIND + 'versions = "wsum"\n', JOIN), "needs weights"),
    "more documents than are found": (
        (FIND.replace('"bm25", "wordllama"', '"bm25"') + "depth = 3\n",
         ASK + 'reads = "find"\ndocuments = 5\n', FIND.replace("find", "more") + 'from = ["ask"]\n',
         JOIN), "reads 5 documents"
    ),
    "an infinite number": ((ASK + "temperature = inf\n", FIND, JOIN), "temperature"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_before_the_work_starts(what: str, tmp_path: Path):
    stages, said = REFUSED[what]
    with pytest.raises(RebenchError) as caught:
        pipeline(tmp_path, *stages)
    assert said in f"{caught.value}"
    assert caught.value.fix


def test_a_wrong_key_is_met_with_the_right_one(tmp_path: Path):
    with pytest.raises(BadInput) as caught:
        pipeline(tmp_path, FIND + "dept = 3\n", JOIN)
    assert "Did you mean depth" in caught.value.fix


def test_a_file_of_two_pipelines_needs_a_name(tmp_path: Path):
    one = "[[pipelines.{0}.stage]]\nname = 'find'\nkind = 'retrieve'\nmodels = ['bm25']\n"
    path = tmp_path / "two.toml"
    path.write_text(one.format("a") + one.format("b"), encoding="utf-8")
    assert Pipeline.from_toml(path, "b").name == "b"
    with pytest.raises(BadInput, match="describes 2 pipelines"):
        Pipeline.from_toml(path)
    with pytest.raises(UnknownName, match="pipeline 'c'"):
        Pipeline.from_toml(path, "c")


def test_a_file_without_a_pipeline(tmp_path: Path):
    path = tmp_path / "none.toml"
    path.write_text("title = 'x'\n", encoding="utf-8")
    with pytest.raises(BadInput, match="describes no pipeline"):
        Pipeline.from_toml(path)
