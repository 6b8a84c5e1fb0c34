"""The sentence-transformers backend on tiny checkpoints, against independent computations."""

from __future__ import annotations

import json
import shutil
import sys
import weakref

import numpy as np
import pytest

from harness.core.errors import BadInput, MissingExtra, ModelError, OutOfMemory
from harness.core.progress import SilentReporter
from tests.helpers import tiny
from tests.helpers.cache_embedders import encode_texts

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

TEXTS = list(tiny.TEXTS)


def encode(embedder, texts=TEXTS, role="document", instruction=""):
    return embedder.encode(list(texts), role=role, instruction=instruction)


def by_transformers(folder, texts, pooling, *, side="right", **config):
    """Return vectors of one text at a time, without any padding, by transformers alone."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, **config).eval()
    rows = []
    for text in texts:
        with torch.inference_mode():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        vector = {"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}[pooling]
        rows.append((vector / vector.norm()).numpy())
    return np.array(rows)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "bert"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_padded_batch_gives_what_each_text_gives_alone(kind, pooling, request, make):
    folder = request.getfixturevalue(kind)
    found = encode(make(folder, pooling=pooling))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_transformers(folder, TEXTS, pooling), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["qwen3", "bert"])
def test_a_folder_in_their_layout_gives_what_sentence_transformers_gives(kind, request, make):
    from sentence_transformers import SentenceTransformer

    folder = request.getfixturevalue(kind)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encode(make(folder)), theirs, atol=2e-6)


def test_a_closed_model_lets_go_of_its_weights_and_can_be_used_again(bert, make):
    embedder = make(bert)
    embedder.close()  # nothing is loaded yet
    first = encode(embedder)
    weights = weakref.ref(next(embedder._model._transformer.parameters()))
    embedder.close()
    assert weights() is None
    np.testing.assert_array_equal(encode(embedder), first)


def test_left_padding_gives_the_same_cosines(qwen3):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(qwen3), device="cpu")
    rows = []
    for side in ("left", "right"):
        model.tokenizer.padding_side = side
        rows.append(model.encode(TEXTS, batch_size=len(TEXTS), normalize_embeddings=True))
    assert (rows[0] * rows[1]).sum(axis=1).min() > 0.99999


def test_a_plain_decoder_is_read_out_at_its_last_token(llama, make):
    embedder = make(llama)
    assert embedder.space("document", "").pooling == "last"
    np.testing.assert_allclose(encode(embedder), by_transformers(llama, TEXTS, "last"), atol=2e-6)


def test_the_instruction_is_put_before_the_text(qwen3, make):
    embedder = make(qwen3, query_instruction="why does ")
    with_it = encode(embedder, ["moss"], "query", "why does ")
    np.testing.assert_allclose(with_it, encode(embedder, ["why does moss"]), atol=1e-6)
    assert np.abs(with_it - encode(embedder, ["moss"])).max() > 1e-3


def test_a_prompt_can_be_left_out_of_the_mean(bert, make, tmp_path):
    plain = make(bert)
    told = make(bert)
    told.card.options["exclude_prompt"] = True
    instruction = "why does the "
    tokens = told._tokens.prompt_tokens(instruction)
    ids = told._tokens.take([instruction + "moss grow"], "", 0)[0]
    from transformers import AutoModel

    model = AutoModel.from_pretrained(bert, dtype=torch.float32).eval()
    with torch.inference_mode():
        hidden = model(torch.tensor(np.array([ids], dtype=np.int64))).last_hidden_state[0]
    wanted = hidden[tokens:].mean(0)
    wanted = (wanted / wanted.norm()).numpy()
    found = encode(told, ["moss grow"], "query", instruction)[0]
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert np.abs(found - encode(plain, ["moss grow"], "query", instruction)[0]).max() > 1e-3


def test_the_prompt_switch_of_a_folder_is_followed(bert, make, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "prompted")
    tiny._modules(folder, "mean", include_prompt=False)
    assert make(folder).space("query", "x").options["exclude_prompt"] is True
    assert make(bert).space("query", "x").options["exclude_prompt"] is False


def test_the_prompt_switch_is_what_sentence_transformers_does(bert, make, tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = shutil.copytree(bert, tmp_path / "prompted")
    tiny._modules(folder, "mean", include_prompt=False)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, prompt="why does the ")
    ours = encode(make(folder), TEXTS, "query", "why does the ")
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_text_is_cut_at_the_limit_of_its_role(qwen3, make, side):
    embedder = make(qwen3, max_query_length=4, max_document_length=7, truncation_side=side)
    words = TEXTS[4]
    counts = embedder.token_counts([words], "query", "")
    assert counts[0] > 7
    whole = make(qwen3)
    ids = whole._tokens.take([words], "", 0)[0]
    for role, limit in (("query", 4), ("document", 7)):
        assert embedder.space(role, "").max_length == limit
        kept = embedder._tokens.take([words], "", limit)[0]
        assert len(kept) == limit
        body = ids[:-1][: limit - 1] if side == "right" else ids[:-1][-(limit - 1) :]
        assert kept.tolist() == [*body.tolist(), ids[-1]]
    short, long = (encode(embedder, [words], role)[0] for role in ("query", "document"))
    assert np.abs(short - long).max() > 1e-3


def test_one_call_is_one_batch(qwen3, make, monkeypatch):
    embedder = make(qwen3)
    shapes = []
    original = embedder._model.forward
    monkeypatch.setattr(
        embedder._model, "forward",
        lambda ids, mask, prompt: shapes.append(ids.shape) or original(ids, mask, prompt),
    )  # fmt: skip
    counts = embedder.token_counts(TEXTS, "document", "")
    encode(embedder)
    assert shapes == [(len(TEXTS), counts.max())]
    assert encode(embedder, []).shape[0] == 0
    assert len(shapes) == 1


def test_an_empty_text_has_a_vector(qwen3, llama, bert, make):
    for folder in (qwen3, llama, bert):
        vectors = encode(make(folder), ["", "moss"])
        assert np.isfinite(vectors).all()
        assert np.abs(vectors[0]).max() > 0


def test_bidirectional_decoders_see_ahead_padded_or_not(llama, make):
    embedder = make(llama, pooling="mean")
    embedder.card.options["bidirectional"] = True
    alone = np.concatenate([encode(embedder, [text]) for text in TEXTS])
    together = encode(embedder)
    np.testing.assert_allclose(alone, together, atol=2e-6)
    switches = [getattr(each, "is_causal", None) for each in
                embedder._model._transformer.model.modules()]  # fmt: skip
    assert switches.count(False) == 2
    assert True not in switches
    first = make(llama, pooling="cls")
    causal = encode(first, ["moss", "moss grow"])
    np.testing.assert_allclose(causal[0], causal[1], atol=1e-6)
    both_ways = make(llama, pooling="cls")
    both_ways.card.options["bidirectional"] = True
    seen = encode(both_ways, ["moss", "moss grow"])
    assert np.abs(seen[0] - seen[1]).max() > 1e-3


def test_a_checkpoint_that_says_it_is_not_causal_is_believed(llama, make, tmp_path):
    folder = shutil.copytree(llama, tmp_path / "both-ways")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "is_causal": False}))
    vectors = encode(make(folder, pooling="cls"), ["moss", "moss grow"])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_the_dtype_is_never_the_checkpoints(tmp_path, make):
    folder = tiny.qwen3(tmp_path / "half", dtype="bfloat16")
    embedder = make(folder)
    assert embedder.space("query", "").dtype == "float32"
    weights = next(embedder._model._transformer.model.parameters())
    assert weights.dtype == torch.float32
    half = make(folder, dtype="bfloat16")
    layers = half._model._transformer.model.modules()
    linear = {each.weight.dtype for each in layers if isinstance(each, torch.nn.Linear)}
    assert linear == {torch.bfloat16}
    cosines = (encode(half) * encode(embedder)).sum(axis=1)
    assert 0.999 < cosines.min() < 0.9999999


def test_modules_behind_the_pooling_are_applied(bert, make, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    model = SentenceTransformer(str(bert), device="cpu")
    dense = Dense(in_features=tiny.HIDDEN, out_features=24)
    stacked = SentenceTransformer(modules=[model[0], model[1], dense], device="cpu")
    stacked.save(str(tmp_path / "dense"))
    theirs = stacked.encode(TEXTS, normalize_embeddings=True)
    ours = encode(make(tmp_path / "dense"))
    assert ours.shape == (len(TEXTS), 24)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_vectors_can_keep_their_length(bert, make):
    raw = encode(make(bert, normalize=False))
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert norms.max() > 1.1
    np.testing.assert_allclose(raw / norms, encode(make(bert)), atol=1e-6)


def evaluated(embedder):
    """Return vectors as an evaluation takes them: checked."""
    return encode_texts(embedder, list(TEXTS), "document", "", None, SilentReporter())


def test_weights_with_nan_are_told(qwen3, make, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(qwen3, tmp_path / "damaged")
    weights = load_file(folder / "model.safetensors")
    weights["norm.weight"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="not finite"):
        evaluated(make(folder))


def test_another_dimension_than_the_cards_is_told(qwen3, make):
    with pytest.raises(ModelError, match=r"128 components; its card says 384"):
        evaluated(make("minilm", weights=str(qwen3)))


def test_memory_that_runs_out_is_passed_on(qwen3, make, monkeypatch):
    embedder = make(qwen3)
    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate"),
    ):

        def fail(features, error=error):
            raise error

        monkeypatch.setattr(embedder._model, "_transformer", fail)
        with pytest.raises(OutOfMemory):
            encode(embedder)
    monkeypatch.setattr(
        embedder._model, "_transformer", lambda features: (_ for _ in ()).throw(RuntimeError("x"))
    )
    with pytest.raises(RuntimeError, match="x"):
        encode(embedder)


def test_a_text_longer_than_the_position_table_is_refused_before_it_is_met(bert, make):
    with pytest.raises(BadInput, match="64 positions"):
        encode(make(bert, max_length=200))


def test_code_of_a_repository_runs_only_when_it_is_allowed(make):
    with pytest.raises(BadInput, match="--trust-remote-code"):
        make("reasonir-8b")
    assert make("reasonir-8b", trust_remote_code=True).name == "reasonir-8b"


def test_a_pooling_that_is_not_supported_is_told(bert, make, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "max")
    tiny._modules(folder, "max")
    with pytest.raises(BadInput, match=r"'max'.*not supported"):
        make(folder).space("query", "")
    assert make(folder, pooling="cls").space("query", "").pooling == "cls"


def test_a_folder_without_a_tokenizer_or_weights_is_told(qwen3, make, tmp_path):
    folder = shutil.copytree(qwen3, tmp_path / "bare")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        make(folder).token_counts(["moss"], "query", "")
    other = shutil.copytree(qwen3, tmp_path / "no-weights")
    (other / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        encode(make(other))


def test_a_gpu_that_is_not_there_is_told(qwen3, make):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BadInput, match="--device cpu"):
        encode(make(qwen3, device="cuda:0"))


@pytest.mark.parametrize("package", ["sentence_transformers", "transformers"])
def test_a_missing_package_is_told_with_its_extra(package, qwen3, make, monkeypatch):
    embedder = make(qwen3)
    if package == "sentence_transformers":
        embedder.token_counts(["moss"], "document", "")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"rebench-retrieval\[torch\]"):
        encode(embedder)
