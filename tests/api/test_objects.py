"""Live objects as models: what they may be, what is cached, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import rebench
from harness.api.probes import PROBES, ProbeKey, recorded_probe
from tests.helpers.small_task import write_beir

LETTERS = "abcdefghijklmnoprstuvwy"


def count(texts: Sequence[str], letters: str = LETTERS) -> np.ndarray:
    return np.array([[text.count(each) for each in letters] for text in texts], dtype=np.float64)


class Plain:
    """Has `encode` only; counts its calls."""

    def __init__(self, letters: str = LETTERS) -> None:
        self.letters = letters
        self.texts: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.texts += texts
        return count(texts, self.letters)


class TwoSided(Plain):
    """Encodes queries in its own way."""

    def encode_query(self, texts: list[str]) -> list[list[float]]:
        return (-count(texts)).tolist()

    def encode_document(self, texts: list[str]) -> np.ndarray:
        return count(texts)


class Searcher:
    """Ranks documents by shared words; returns pairs or dictionaries."""

    def __init__(self, texts: dict[str, str], *, pairs: bool) -> None:
        self.documents, self.pairs = texts, pairs
        self.asked: list[int] = []

    def search(self, queries: list[str], k: int) -> list[object]:
        self.asked.append(k)
        found = []
        for query in queries:
            words = set(query.lower().split())
            scores = {
                d: float(len(words & set(t.lower().split()))) for d, t in self.documents.items()
            }
            best = sorted(scores.items(), key=lambda pair: -pair[1])[:k]
            found.append(best if self.pairs else dict(best))
        return found


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_beir(tmp_path / "tides")


def test_a_function_an_object_and_tensors_give_the_same_numbers(task: Path) -> None:
    torch = pytest.importorskip("torch")
    by_function = rebench.evaluate(count, task, name="a").metrics
    assert rebench.evaluate(Plain(), task, name="b").metrics == by_function

    def tensors(texts: list[str]) -> object:
        return torch.tensor(count(texts), dtype=torch.bfloat16, requires_grad=True)

    assert rebench.evaluate(tensors, task, name="c").metrics == by_function
    assert rebench.evaluate(lambda t: list(map(tuple, count(t))), task, name="d").metrics == (
        by_function
    )


def test_queries_and_documents_go_their_own_ways(task: Path) -> None:
    turned = rebench.evaluate(TwoSided(), task, name="turned")
    assert turned.metrics != rebench.evaluate(Plain(), task, name="plain").metrics


def test_with_a_version_nothing_is_encoded_twice(task: Path) -> None:
    first, second = Plain(), Plain()
    entry = rebench.evaluate(first, task, name="m", version="1")["tides"]
    assert entry.identity["model"]["cached"] is True  # type: ignore[index]
    again = rebench.evaluate(second, task, name="m", version="1", force=True)["tides"]
    assert set(second.texts) == set(PROBES)
    assert again.metrics == entry.metrics
    reused = rebench.evaluate(Plain(), task, name="m", version="1")
    assert reused.outcomes[0].reused


def test_without_a_version_nothing_is_cached_and_the_entry_says_so(
    task: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        model = Plain()
        evaluation = rebench.evaluate(model, task, name="m", cache="vectors")
        assert len(set(model.texts)) > len(PROBES)
        assert not evaluation.outcomes[0].reused
    identity = evaluation["tides"].identity["model"]
    assert (identity["version"], identity["cached"]) == (None, False)  # type: ignore[index]
    assert not (tmp_path / "vectors").exists()


def test_a_changed_model_under_an_old_version_is_refused(task: Path) -> None:
    rebench.evaluate(Plain(), task, name="m", version="1")
    with pytest.raises(rebench.RebenchError, match="another version="):
        rebench.evaluate(Plain(LETTERS[::-1]), task, name="m", version="1")
    rebench.evaluate(Plain(LETTERS[::-1]), task, name="m", version="2")


@pytest.mark.parametrize(("noise", "same"), [(1e-6, True), (1e-2, False)])
def test_probes_forgive_the_last_bits_only(tmp_path: Path, noise: float, same: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8, 64)).astype(np.float32)
    changed = (vectors + noise * rng.normal(size=vectors.shape) * 5).astype(np.float32)
    key = ProbeKey("m", "1", "query")
    first = recorded_probe(vectors, key, tmp_path)
    if same:
        assert recorded_probe(changed, key, tmp_path) == first
        return
    with pytest.raises(rebench.RebenchError):
        recorded_probe(changed, key, tmp_path)
    longer = (1.05 * vectors).astype(np.float32)
    with pytest.raises(rebench.RebenchError):
        recorded_probe(longer, key, tmp_path)


@pytest.mark.parametrize("pairs", [True, False])
def test_a_retriever_with_search(task: Path, pairs: bool) -> None:
    loaded = rebench.load_task(task)
    assert loaded.corpus is not None
    searcher = Searcher(dict(loaded.corpus.text_of), pairs=pairs)
    entry = rebench.evaluate(searcher, task, name="words", k=3, record=False)["tides"]
    assert searcher.asked == [3 + max(map(len, loaded.excluded.values()))]
    assert entry.k == 3


BAD = {
    "one vector": lambda texts: np.ones(4),
    "too few": lambda texts: np.ones((1, 4)),
    "ragged": lambda texts: [[1.0] * (at % 3 + 1) for at, _ in enumerate(texts)],
    "words": lambda texts: ["no"] * len(texts),
    "nan": lambda texts: np.full((len(texts), 3), np.nan),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_matrix_is_refused(task: Path, name: str) -> None:
    with pytest.raises(rebench.RebenchError):
        rebench.evaluate(BAD[name], task, name="bad")


@pytest.mark.parametrize("kind", ["ColBERT", "CrossEncoder"])
def test_other_kinds_of_models_are_refused_by_name(task: Path, kind: str) -> None:
    base = type(kind, (), {"encode": lambda self, texts: np.ones((len(texts), 2))})
    model = type("Mine", (base,), {})()
    with pytest.raises(rebench.RebenchError, match="Mine is a"):
        rebench.evaluate(model, task, name="m")


@pytest.mark.parametrize("kind", ["SparseEncoder", "MultiVectorEncoder", "CrossEncoder"])
def test_the_names_are_those_of_sentence_transformers(kind: str) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    assert hasattr(sentence_transformers, kind)


def test_what_does_not_encode_is_refused(task: Path) -> None:
    with pytest.raises(rebench.RebenchError, match="neither a model's name nor"):
        rebench.evaluate(object(), task)


def test_unusable_rankings_are_refused(task: Path) -> None:
    for answers in ([{}], [[("moon.txt", 1.0)]] * 99, [{"nowhere": 1.0}, {}], [[("a",)], {}]):

        class Fixed:
            rankings = answers

            def search(self, queries: list[str], k: int) -> list[object]:
                return self.rankings

        with pytest.raises(rebench.RebenchError):
            rebench.evaluate(Fixed(), task, name="m")
