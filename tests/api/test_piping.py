"""Reranking and fusing from Python: names, entries, live objects, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rebench
from harness.core.errors import BadInput, ModelError, UnknownName
from tests.helpers.small_task import write_beir


class ByLength:
    """Scores a pair by the length of its passage."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def predict(self, pairs: list[tuple[str, str]]) -> list[int]:
        self.asked += pairs
        return [len(passage) for _, passage in pairs]


class Ranker:
    """Ranks as `CrossEncoder.rank` or a hosted reranker does: rows, best first."""

    def __init__(self, place: str, score: str) -> None:
        self.keys = place, score

    def rank(self, query: str, documents: list[str]) -> list[dict[str, object]]:
        place, score = self.keys
        rows = [{place: at, score: float(len(text))} for at, text in enumerate(documents)]
        return sorted(rows, key=lambda row: -float(row[score]))


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {"results": tmp_path / "results", "cache": tmp_path / "cache"}


@pytest.fixture
def task(tmp_path: Path) -> str:
    return str(write_beir(tmp_path / "tides"))


def test_an_object_reranks_an_entry_and_its_scores_are_kept_with_a_version(task, folders):
    (first,) = rebench.evaluate("bm25", task, **folders)
    model = ByLength()
    done = rebench.rerank(first, model, task, name="long", version="1", depth=3, **folders)
    assert done.entries[0].model == "long"
    assert done.entries[0].identity["parts"] == [f"bm25#{done.entries[0].identity['parts'][0][5:]}"]
    asked = len(model.asked)
    assert asked
    blended = rebench.rerank(first, model, task, version="1", depth=2, blend=0.5, **folders)
    assert len(model.asked) == asked
    assert blended.entries[0].model == "bm25+ByLength@2"
    rebench.rerank(first, model, task, depth=2, **folders)
    assert len(model.asked) > asked
    by_name = rebench.rerank("bm25", model, task, name="long", version="1", depth=3, **folders)
    assert by_name.outcomes[0].reused


@pytest.mark.parametrize("keys", [("corpus_id", "score"), ("index", "relevance_score")])
def test_an_object_that_ranks_gives_the_same_run(task, folders, keys: tuple[str, str]):
    (first,) = rebench.evaluate("bm25", task, **folders)
    pairs = rebench.rerank(first, ByLength(), task, name="a", depth=3, **folders)
    ranks = rebench.rerank(first, Ranker(*keys), task, name="b", depth=3, **folders)
    assert pairs.metrics == ranks.metrics
    with pytest.raises(BadInput, match="side by side"):
        rebench.rerank(first, Ranker(*keys), task, depth=3, long="passages", **folders)


def test_what_does_not_rerank_is_refused(task, folders):
    (first,) = rebench.evaluate("bm25", task, **folders)

    class Half(Ranker):
        def rank(self, query: str, documents: list[str]) -> list[dict[str, object]]:
            return super().rank(query, documents)[1:]

    with pytest.raises(ModelError, match="rows for"):
        rebench.rerank(first, Half("index", "score"), task, depth=2, **folders)
    with pytest.raises(BadInput, match="neither a reranker's name nor an object that reranks"):
        rebench.rerank(first, object(), task, **folders)
    with pytest.raises(BadInput, match="is no reranker"):
        rebench.rerank(first, "minilm", task, **folders)
    with pytest.raises(UnknownName):
        rebench.rerank("nothing", ByLength(), task, **folders)


def test_a_live_cross_encoder_gives_logits_and_evaluate_names_the_call_that_works(
    task, folders, tmp_path: Path
):
    from sentence_transformers import CrossEncoder

    from harness.api.live_rerankers import ObjectFacts, object_reranker
    from tests.remixer.test_remix_cross_encoder import make_bert

    model = CrossEncoder(str(make_bert(tmp_path / "tiny")), device="cpu")
    pairs = [("lock queue", "table disk"), ("cache", "lock")]
    logits = object_reranker(model, ObjectFacts("tiny")).scores(pairs)
    expected = 1 / (1 + np.exp(-logits))
    assert model.predict(pairs).tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    with pytest.raises(BadInput, match="is a cross-encoder") as caught:
        rebench.evaluate(model, task, **folders)
    assert "rebench.rerank(" in caught.value.fix


def test_fuse_and_audits_are_calls_too(task, folders, tmp_path: Path):
    rebench.evaluate("bm25", task, **folders)
    rebench.evaluate("bm25-bow", task, **folders)
    results = {"results": folders["results"]}
    fused = rebench.fuse("bm25", "bm25-bow", tasks=task, name="both", **results)
    assert fused.entries[0].model == "both"
    assert set(fused.rows()[0]) >= {"task", "bm25", "bm25-bow", "fused"}
    weighted = rebench.fuse(
        "bm25", "bm25-bow", tasks=task, method="wsum", weights={"bm25": 1, "bm25-bow": 0.0},
        **results,
    )  # fmt: skip
    assert weighted.gain.delta == pytest.approx(0, abs=1e-9)
    audit = rebench.audit_run("both", task, **results)
    assert {row["name"] for row in audit.rows()} == {each.name for each in audit.measures}
