"""Training data of an ablation: made by ReMixer from written replies, and difficulty by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.ablation.redapter import RedapterTrainer
from harness.ablation.training_data import RemixData
from harness.api.session import open_session
from harness.api.training import NamedModels
from harness.core.errors import BadInput
from harness.core.progress import SilentReporter
from harness.core.training_row import read_rows
from tests.helpers.train_cases import write_training_rows

OPTIONS = {
    "task": "stdlib-oblique",
    "documents": "example:stdlib-documents.txt.gz",
    "sources": "example:stdlib-sources.txt",
    "llm": "replay:example:stdlib-replay.jsonl.gz",
    "replay_tolerant": True,
    "clean": False,
    "depth": 10,
}


@pytest.fixture(scope="module")
def maker(tmp_path_factory) -> RemixData:
    folder = tmp_path_factory.mktemp("data")
    return RemixData(folder, None, NamedModels(open_session(results=folder)))


def made(maker: RemixData, **changes):
    options = {**OPTIONS, **changes}
    maker.check(options, "here")
    found = maker.make(options, {}, SilentReporter())
    return found, list(read_rows(found.path))


def test_variants_of_the_data_are_told_apart_and_made_as_said(maker):
    plain, rows = made(maker)
    assert len(rows) > 20
    assert plain.facts["audit"] == "compared with stdlib-oblique, no limit is exceeded"
    assert all(min(row.pos_scores) >= 3 > max(row.neg_scores) for row in rows)
    strict, fewer = made(maker, positive_from=4)
    assert strict.path != plain.path
    assert 0 < len(fewer) < len(rows)
    assert all(min(row.pos_scores) >= 4 > max(row.neg_scores) for row in fewer)
    first, trivial = made(maker, include_source=True)
    assert all(row.pos_scores == (5,) for row in trivial)
    assert "no limit is exceeded" not in first.facts["audit"]
    lexical, by_words = made(maker, annotator="lexical")
    assert {row.conditions["annotator"] for row in by_words} == {"lexical"}
    assert "lexical" in lexical.facts["labels"]
    assert maker.is_ready(OPTIONS, {})
    assert not maker.is_ready({**OPTIONS, "depth": 9}, {})


POOLED = {
    **OPTIONS,
    "depth": 20,
    "sources": "example:stdlib-training-sources.txt",
    "candidates": "example:stdlib-pooled.trec.gz",
}


def test_rows_from_a_run_of_candidates(maker):
    pooled, rows = made(maker, **POOLED)
    fused, fewer = made(maker, **{**POOLED, "candidates": "example:stdlib-fused.trec.gz"})
    assert pooled.path != fused.path
    assert len(fewer) < len(rows)  # a second list of candidates saves queries
    assert "example:stdlib-pooled.trec.gz" in pooled.facts["candidates"]
    assert maker.is_written(POOLED, [POOLED["candidates"]])
    assert not maker.is_written(POOLED, ["bm25"])
    written = maker.written(POOLED, [POOLED["candidates"]], SilentReporter())
    judged = {query.source: query.judged for query in written.queries}
    assert {row.source_id for row in rows} <= judged.keys()
    for row in rows:
        graded = [label for label in judged[row.source_id].values() if label >= 3]
        assert sorted(row.pos_scores) == sorted(graded)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"taks": "stdlib-oblique"}, "Did you mean data.task"),
        ({}, "neither a path nor a task"),
        ({"path": "x.jsonl", "depth": 5}, "both given"),
        ({**OPTIONS, "positive_from": 1}, "positive_from = 1"),
        ({**OPTIONS, "documents": "example:nothing.txt"}, "no such example"),
        ({**OPTIONS, "candidates": "example:nothing.gz"}, "no such example"),
        ({**OPTIONS, "candidates": "a.trec", "embedder": "minilm"}, "mines nothing"),
    ],
)
def test_options_that_cannot_be_followed(maker, options, said):
    with pytest.raises(BadInput) as error:
        maker.check(options, "here")
    assert said in str(error.value)


def test_difficulty_is_the_untrained_loss_on_the_rows_own_passages(small, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    rows = write_training_rows(tmp_path / "rows.jsonl", rows=5, tasks=1, seed=3)
    recipe = RedapterTrainer(str(small.parent / "recipe.toml")).recipe({}, "here")
    maker = RemixData(tmp_path, None, NamedModels(open_session(results=tmp_path)))
    options = {"path": str(rows), "difficulty": "base-loss"}
    assert not maker.is_ready(options, recipe)
    found = maker.make(options, recipe, SilentReporter())
    assert maker.is_ready(options, recipe)

    base = Transformer(str(small.parent / "base"))
    model = SentenceTransformer(modules=[base, Pooling(32, "mean")], device="cpu")
    for row in read_rows(found.path):
        texts = [row.query, *row.pos, *row.neg]
        vectors = model.encode(texts, normalize_embeddings=True)
        scores = (vectors[1:] @ vectors[0]).astype(np.float64) / 0.02
        negatives = scores[len(row.pos) :]
        losses = [
            np.log(np.exp(np.append(negatives, own) - own).sum()) for own in scores[: len(row.pos)]
        ]
        assert row.conditions["difficulty"] == pytest.approx(np.mean(losses), rel=1e-3, abs=1e-5)
