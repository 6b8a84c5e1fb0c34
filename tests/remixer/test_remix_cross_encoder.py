"""A cross-encoder as an annotator, for real: a tiny BERT with one output."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
from models.rerankers.find import find_reranker
from remixer.stages.scorers import CrossEncoderScorer
from tests.helpers.remix_corpus import WORDS, make_task

TASK = make_task(12, words=20)
PAIRS = [("lock queue night", ("d0003", "d0001")), ("table", ()), ("cache disk", ("d0001",))]


def make_bert(folder: Path, labels: int = 1, seed: int = 1) -> Path:
    """Write a cross-encoder that knows the words of the corpus."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(WORDS))]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("models") / "tiny-cross")


def scorer_of(folder: Path) -> CrossEncoderScorer:
    """Return the annotator of a model's folder."""
    return CrossEncoderScorer(
        CrossEncoderReranker(find_reranker(str(folder)), LocalOptions(device="cpu"))
    )


def test_scores_are_the_logits_of_each_pair(folder: Path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    scores = scorer_of(folder).scores(TASK, PAIRS, SilentReporter())
    assert [len(own) for own in scores] == [2, 0, 1]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    text_of = dict(zip(TASK.corpus.ids, TASK.corpus.texts, strict=True))
    for (query, candidates), own in zip(PAIRS, scores, strict=True):
        for key, score in zip(candidates, own, strict=True):
            inputs = tokenizer(query, text_of[key], return_tensors="pt")
            with torch.no_grad():
                expected = float(model(**inputs).logits[0, 0])
            assert score == pytest.approx(expected, abs=1e-4)
    assert scores[0][0] != pytest.approx(scores[0][1], abs=1e-3)


def test_a_folder_is_named_by_its_content(folder: Path, tmp_path: Path):
    name = scorer_of(folder).name
    assert name.startswith("cross-encoder:tiny-cross@")
    assert str(folder.parent) not in name
    other = make_bert(tmp_path / "tiny-cross", seed=2)
    assert scorer_of(other).name != name


def test_what_cannot_score_is_said(tmp_path: Path):
    many = make_bert(tmp_path / "many", labels=3)
    with pytest.raises(ModelError, match="gives 3 numbers a pair"):
        scorer_of(many).scores(TASK, PAIRS, SilentReporter())
    assert scorer_of(many).scores(TASK, [("q", ())], SilentReporter()) == [[]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no weights of 'empty'"):
        scorer_of(tmp_path / "empty")
