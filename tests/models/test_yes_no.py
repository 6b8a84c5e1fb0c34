"""Yes/no rerankers, for real: a tiny Qwen3 whose tokens are bytes, held against transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import BadInput, ModelError
from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
from models.rerankers.card import RerankerCard

TEMPLATE = "<{instruction}> Q: {query} D: {document}\nAnswer:\n\n"
WINDOW = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny-yes-no"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: at for at, letter in enumerate(["<pad>", *alphabet])}
    letters = Tokenizer(models.BPE(vocabulary, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", padding_side="left", model_max_length=WINDOW
    ).save_pretrained(folder)
    torch.manual_seed(2)
    config = Qwen3Config(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, initializer_range=0.5,
        max_position_embeddings=WINDOW,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def card(folder: Path, **changes: object) -> RerankerCard:
    made = RerankerCard(
        "tiny", "yes-no", folder=str(folder), template=TEMPLATE, answers=("y", "n"),
        instruction="find it",
    )  # fmt: skip
    return replace(made, **changes)


def by_hand(folder: Path, text: str, window: int = WINDOW) -> float:
    """Return logit(y) - logit(n) after a text; one that is too long loses the document's end."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(text, verbose=False)["input_ids"]
    if len(ids) > window:
        tail = tokenizer("\nAnswer:\n\n")["input_ids"]
        ids = [*ids[: window - len(tail)], *tail]
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, -1]
    yes, no = tokenizer.convert_tokens_to_ids(["y", "n"])
    return float(logits[yes] - logits[no])


def test_scores_are_the_difference_of_two_logits_after_the_template(folder: Path):
    pairs = [("why the tide", "the moon pulls"), ("é {document}", "x"), ("tide", "moon " * 60)]
    scorer = CrossEncoderReranker(card(folder), LocalOptions(device="cpu"))
    found = scorer.scores(pairs)
    assert found.dtype == np.float32
    expected = [by_hand(folder, f"<find it> Q: {q} D: {d}\nAnswer:\n\n") for q, d in pairs]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    # A token is a byte here.
    lengths = [len(f"<find it> Q: {q} D: {d}\nAnswer:\n\n".encode()) for q, d in pairs]
    assert scorer.token_counts(pairs).tolist() == [min(WINDOW, each) for each in lengths]
    other = CrossEncoderReranker(card(folder), LocalOptions("cpu", instruction="look"))
    assert other.scores(pairs[:1]).tolist() == pytest.approx(
        [by_hand(folder, "<look> Q: why the tide D: the moon pulls\nAnswer:\n\n")], abs=1e-4
    )
    assert other.identity != scorer.identity
    with pytest.raises(BadInput, match="fills the window of tiny"):
        scorer.scores([("tide " * 30, "moon")])


def test_what_cannot_score_is_refused(folder: Path):
    many = CrossEncoderReranker(card(folder, answers=("yes", "no")), LocalOptions("cpu"))
    with pytest.raises(ModelError, match="'yes' is no token"):
        many.scores([("a", "b")])
    with pytest.raises(BadInput, match="--trust-remote-code"):
        CrossEncoderReranker(card(folder, remote_code=True))
    fixed = card(folder, template="{query}{document}")
    with pytest.raises(BadInput, match="takes no instruction"):
        CrossEncoderReranker(fixed, LocalOptions(instruction="x"))
    with pytest.raises(BadInput, match=r"lacks \{document\}"):
        card(folder, template="{query}")
    with pytest.raises(BadInput, match="answers"):
        card(folder, answers=("y",))
