"""Static models: model2vec's own numbers, and WordLlama's."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from harness.core.errors import BadInput, ModelError
from harness.core.progress import SilentReporter
from models.registry import find_card
from models.spec import make_spec
from tests.helpers import tiny
from tests.helpers.cache_embedders import encode_texts

pytest.importorskip("model2vec")

TEXTS = [*tiny.TEXTS, "", "unseen words only", "moss unseen stone"]


def encode(embedder, texts=TEXTS, instruction=""):
    return embedder.encode(list(texts), role="document", instruction=instruction)


def reference(folder, **options):
    """Return model2vec's own vector of one text."""
    from model2vec import StaticModel

    return StaticModel.from_pretrained(folder).encode(["moss stone tide river"], **options)


def test_vectors_are_those_of_model2vec(model2vec, make):
    from model2vec import StaticModel

    theirs = StaticModel.from_pretrained(model2vec).encode(TEXTS)
    np.testing.assert_allclose(encode(make(model2vec)), theirs, atol=1e-6)


def test_unknown_words_are_left_out_and_not_counted(model2vec, make):
    embedder = make(model2vec)
    vectors = encode(embedder)
    known, mixed = encode(embedder, ["moss stone", "moss unseen stone"])
    np.testing.assert_allclose(known, mixed, atol=1e-6)
    assert not vectors[-2].any()
    assert not vectors[-3].any()
    counts = embedder.token_counts(TEXTS, "document", "")
    assert counts[-3:].tolist() == [0, 0, 2]
    assert counts[0] == len(TEXTS[0].split())


def test_a_text_is_cut_at_the_limit(model2vec, make):
    embedder = make(model2vec, max_length=2)
    assert embedder.space("document", "").max_length == 2
    found = encode(embedder, ["moss stone tide river"])
    np.testing.assert_allclose(found, reference(model2vec, max_length=2), atol=1e-6)
    counts = embedder.token_counts(["moss stone tide river", "moss " * 600], "document", "")
    assert counts.tolist() == [4, 600]


def test_the_limit_is_the_models_own_where_the_card_is_silent(model2vec, make, tmp_path):
    assert make(model2vec).space("query", "").max_length == 512
    folder = shutil.copytree(model2vec, tmp_path / "short")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_length": 3}))
    assert make(folder).space("query", "").max_length == 3
    found = encode(make(folder), ["moss stone tide river"])
    np.testing.assert_allclose(found, reference(folder), atol=1e-6)
    assert np.abs(found - reference(model2vec)).max() > 1e-3


def test_counting_between_batches_does_not_change_what_is_cut(model2vec, make):
    embedder = make(model2vec, max_length=2)
    first = encode(embedder, ["moss stone tide"])
    embedder.token_counts(["moss stone tide"], "document", "")
    np.testing.assert_array_equal(first, encode(embedder, ["moss stone tide"]))


def test_an_instruction_and_raw_norms_are_possible(model2vec, make):
    embedder = make(model2vec, normalize=False)
    np.testing.assert_allclose(
        encode(embedder, ["stone"], "moss "), encode(embedder, ["moss stone"]), atol=1e-6
    )
    norm = float(np.linalg.norm(encode(embedder, ["stone"])))
    assert norm > 1.5
    np.testing.assert_allclose(
        encode(embedder, ["stone"]) / norm, encode(make(model2vec), ["stone"]), atol=1e-6
    )


def test_a_folder_that_is_no_model2vec_model_is_told(qwen3, make):
    with pytest.raises(ModelError, match="cannot be loaded"):
        encode(make("potion-base-8m", weights=str(qwen3)))


def test_another_dimension_than_the_cards_is_told(model2vec, make):
    embedder = make("potion-base-8m", weights=str(model2vec))
    with pytest.raises(ModelError, match="16 components; its card says 256"):
        encode_texts(embedder, TEXTS, "document", "", None, SilentReporter())


@pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"pooling": "last"}])
def test_what_a_table_cannot_do_is_refused(options, model2vec, make):
    with pytest.raises(BadInput):
        make(model2vec, **options)


def test_wordllama_gives_its_own_vectors(make):
    pytest.importorskip("wordllama")
    from wordllama import WordLlama

    from models.backends.static_tables import CONFIG, _package_folder

    theirs = WordLlama.load(
        config=CONFIG, cache_dir=_package_folder(), dim=256, disable_download=True
    ).embed(list(tiny.TEXTS), norm=True)
    embedder = make("wordllama")
    np.testing.assert_allclose(encode(embedder, tiny.TEXTS), theirs, atol=1e-6)
    assert embedder.token_counts([""], "query", "").tolist() == [0]
    assert not encode(embedder, [""]).any()
    with pytest.raises(BadInput, match="any length"):
        make("wordllama", max_length=9)


def test_a_card_of_an_unknown_loader_is_refused():
    from dataclasses import replace

    from models.backends.static import StaticEmbedder

    card = replace(find_card("wordllama"), options={"loader": "fasttext"})
    with pytest.raises(BadInput, match="'fasttext'"):
        StaticEmbedder(make_spec(card))
