"""Reranking: blend, depth and tail by hand, candidates conserved, scores kept, a tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import BadInput, ModelError, UnknownName
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Query, Ranking, Run
from harness.pipelines.fusion import in_protocol_order
from harness.pipelines.rerank import RerankSettings, rerank_run, reranked
from harness.pipelines.rerank_ports import CandidateList, ListScores
from harness.pipelines.score_store import PairScore, ScoreStore, pair_key
from tests.helpers import ground_layouts as layouts
from tests.helpers.command_run import Done, runner
from tests.helpers.measured_store import make_task


def ranking(**scores: float) -> Ranking:
    return Ranking(tuple(scores), np.array(list(scores.values()), dtype=np.float32))


class ByLength:
    """Scores a passage by its length; says how many pairs it was asked."""

    name = "by-length"
    identity = {"model": "by-length"}  # noqa: RUF012

    def __init__(self, score: Callable[[str], float] = len) -> None:
        self.asked: list[tuple[str, str]] = []
        self._score = score

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.asked += pairs
        return np.array([self._score(passage) for _, passage in pairs], dtype=np.float32)


def small() -> tuple[Run, object]:
    corpus = Corpus(
        ("a", "b", "c", "d"), ("x", "xxxx", "xx", " ".join(f"w{at}" for at in range(520)))
    )
    task = make_task("biology", 1, gold={"q": ["b"]}, corpus=corpus)
    return Run({"q": ranking(a=4, b=3, c=2, d=1)}), task


def test_blend_is_of_normalised_scores_over_the_reranked_documents():
    before = ranking(a=9, b=5, c=1)
    new = np.array([0, 10, 20], dtype=np.float32)
    half = reranked(before, new, RerankSettings(blend=0.25))
    # min-max: before 1, .5, 0; reranker 0, .5, 1
    assert half.doc_ids == ("a", "b", "c")
    assert half.scores.tolist() == pytest.approx([0.75, 0.5, 0.25])
    whole = reranked(before, new, RerankSettings())
    assert (whole.doc_ids, whole.scores.tolist()) == (("c", "b", "a"), [20, 10, 0])
    none = reranked(before, new, RerankSettings(blend=0))
    assert none.doc_ids == before.doc_ids
    ranks = reranked(before, new, RerankSettings(blend=0.6, norm="neg-log-rank"))
    assert dict(zip(ranks.doc_ids, ranks.scores.tolist(), strict=True)) == pytest.approx(
        {
            "a": -0.6 * np.log(3),
            "b": -np.log(2),
            "c": -0.4 * np.log(3),
        }
    )


def test_documents_below_the_depth_follow_or_go():
    before = ranking(a=9, b=5, c=3, d=2)
    new = np.array([-3, -1], dtype=np.float32)
    assert reranked(before, new, RerankSettings(depth=2)).doc_ids == ("b", "a", "c", "d")
    assert reranked(before, new, RerankSettings(depth=2, tail="cut")).doc_ids == ("b", "a")


@given(
    st.lists(st.floats(-(2.0**90), 2.0**90, width=32), min_size=1, max_size=12),
    st.integers(0, 8), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(["keep", "cut"]),
)  # fmt: skip
def test_no_document_is_added_dropped_or_repeated(scores, below: int, blend: float, tail: str):
    docs = [f"d{at}" for at in range(len(scores) + below)]
    before = Ranking(tuple(docs), np.arange(len(docs), 0, -1, dtype=np.float32))
    after = reranked(
        before, np.array(scores, dtype=np.float32), RerankSettings(blend=blend, tail=tail)
    )
    kept = docs if tail == "keep" else docs[: len(scores)]
    assert sorted(after.doc_ids) == sorted(kept)
    assert after.doc_ids[len(scores) :] == tuple(kept[len(scores) :])
    assert in_protocol_order(after).doc_ids == after.doc_ids


def test_stored_scores_are_not_computed_again(tmp_path: Path):
    run, task = small()
    scorer = ByLength()
    store = ScoreStore(tmp_path, scorer.identity)
    first = rerank_run(run, task, scorer, RerankSettings(depth=3), store, SilentReporter())
    assert (first.scored, first.reused) == (3, 0)
    assert first.run.rankings["q"].doc_ids == ("b", "c", "a", "d")

    fresh = ByLength()
    again = ScoreStore(tmp_path, fresh.identity)
    shallow = RerankSettings(depth=2, blend=0.5)
    second = rerank_run(run, task, fresh, shallow, again, SilentReporter())
    assert (second.scored, second.reused, fresh.asked) == (0, 2, [])
    deep = rerank_run(run, task, fresh, RerankSettings(depth=4), again, SilentReporter())
    assert (deep.scored, deep.reused) == (1, 3)
    assert ScoreStore(tmp_path, {"model": "other"}).find([pair_key("word ", "x")]) == [None]


def test_a_damaged_file_of_scores_is_passed_over(tmp_path: Path):
    store = ScoreStore(tmp_path, {"model": "m"})
    keys = [pair_key("q", "a"), pair_key("q", "b")]
    store.add(keys[:1], [0.1])
    store.add(keys[1:], [2.0])
    stored = ScoreStore(tmp_path, {"model": "m"}).find(keys)
    assert stored == [PairScore(pytest.approx(0.1)), PairScore(2.0)]
    damaged = next(store.folder.glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert ScoreStore(tmp_path, {"model": "m"}).find(keys).count(None) == 1
    assert pair_key("ab", "c") != pair_key("a", "bc")


def test_long_documents_in_passages_count_by_their_best():
    run, task = small()
    scorer = ByLength(score=lambda text: -len(text.split()))
    settings = RerankSettings(depth=4, long="passages")
    found = rerank_run(run, task, scorer, settings, None, SilentReporter())
    lengths = sorted(len(passage.split()) for _, passage in scorer.asked)
    assert lengths == [1, 1, 1, 70, 200, 200, 200]
    assert found.run.rankings["q"].doc_ids[-1] == "d"
    assert found.run.rankings["q"].scores[-1] == -70


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"depth": 0}, "--depth is 0"),
        ({"blend": 1.5}, "--blend is 1.5"),
        ({"blend": float("nan")}, "--blend is nan"),
        ({"norm": "minmax"}, "min-max"),
        ({"norm": "borda"}, "several lists"),
        ({"tail": "drop"}, "keep or cut"),
        ({"long": "chunks"}, "cut or passages"),
    ],
)
def test_bad_settings_are_refused(settings: dict, said: str):
    with pytest.raises((BadInput, UnknownName), match=said):
        RerankSettings(**settings)


def test_candidates_without_texts_and_scores_that_are_not_finite_are_refused():
    run, task = small()
    with pytest.raises(BadInput, match="at most 4 documents"):
        rerank_run(run, task, ByLength(), RerankSettings(depth=5), None, SilentReporter())
    unknown = Run({"q": ranking(a=2, zz=1)})
    with pytest.raises(BadInput, match="1 candidates are no documents of biology, such as 'zz'"):
        rerank_run(unknown, task, ByLength(), RerankSettings(depth=2), None, SilentReporter())
    other = Run({"zz": ranking(a=2)})
    with pytest.raises(BadInput, match="have no text"):
        rerank_run(other, task, ByLength(), RerankSettings(depth=1), None, SilentReporter())
    broken = ByLength(score=lambda _: float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        rerank_run(run, task, broken, RerankSettings(depth=2), None, SilentReporter())
    assert isinstance(task.queries[0], Query)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory) -> Path:
    """A tiny BERT with one label, random weights, a window of 24 tokens."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, set_seed

    folder = tmp_path_factory.mktemp("models") / "tiny-reranker"
    folder.mkdir()
    text = "the tides follow moon dough rises because yeast makes gas why does sea loaf"
    words = text.split()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=24).save_pretrained(folder)
    set_seed(3)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=24, num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_scores_are_the_models_logits(cross_encoder: Path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
    from models.rerankers.find import find_reranker

    pairs = [("why does the sea", "the tides follow the moon"), ("loaf", "dough rises " * 40)]
    scorer = CrossEncoderReranker(find_reranker(str(cross_encoder)), LocalOptions("cpu"))
    found = scorer.scores(pairs)
    assert found.dtype == np.float32
    model = AutoModelForSequenceClassification.from_pretrained(cross_encoder).eval()
    tokenizer = AutoTokenizer.from_pretrained(cross_encoder)
    for pair, score in zip(pairs, found.tolist(), strict=True):
        inputs = tokenizer(*pair, truncation=True, max_length=24, return_tensors="pt")
        with torch.inference_mode():
            assert score == pytest.approx(float(model(**inputs).logits[0, 0]), abs=1e-5)
    with pytest.raises(BadInput, match="fills the window"):
        scorer.scores([("sea " * 30, "moon")])
    assert scorer.identity["weights"].startswith("sha256:")


def test_an_embedder_is_refused(tmp_path: Path):
    from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
    from models.rerankers.find import find_reranker

    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    with pytest.raises(BadInput, match=r"is no cross-encoder \(BertModel\)"):
        CrossEncoderReranker(find_reranker(str(tmp_path)), LocalOptions())
    with pytest.raises(BadInput, match="embeds texts one by one and is no reranker"):
        find_reranker("minilm")
    with pytest.raises(UnknownName, match="qwen3-reranker-8b"):
        find_reranker("qwen3-reranker-8")


@pytest.fixture
def rebench(capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    monkeypatch.setenv("REBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REBENCH_CACHE", str(tmp_path / "cache"))
    return runner(capsys, monkeypatch, tmp_path)


def test_the_command_reranks_a_stored_system_and_keeps_its_scores(
    rebench, tmp_path: Path, cross_encoder: Path, monkeypatch: pytest.MonkeyPatch
):
    from models.backends.cross_encoder import CrossEncoderReranker
    from results.store import ResultStore
    from tests.helpers.small_task import write_beir

    folder = write_beir(tmp_path / "tides")
    assert rebench("eval", "--model", "bm25", "--tasks", folder).code == 0
    flags = ("--with", cross_encoder, "--tasks", folder, "--json", "--device", "cpu")
    first = rebench("rerank", "bm25", *flags, "--depth", "3")
    assert first.code == 0, first.err
    (entry,) = first.json
    assert entry["model"] == "bm25+tiny-reranker@3"
    assert entry["facts"]["pairs_scored"] > 0
    stored = [e for e in ResultStore(tmp_path / "results").entries().entries if e.model != "bm25"]
    identity = stored[0].identity
    assert identity["pipeline"] == "rerank"
    assert identity["reranker"]["activation"] == "none"
    assert (identity["depth"], identity["blend"], identity["tail"]) == (3, 1.0, "keep")

    def refuse(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(CrossEncoderReranker, "scores", refuse)
    second = rebench("rerank", "bm25", *flags, "--depth", "2", "--blend", "0.5")
    assert second.code == 0, second.err
    assert second.json[0]["facts"]["pairs_scored"] == 0
    assert rebench("rerank", "bm25", *flags, "--depth", "3").json[0]["reused"]
    assert rebench("rerank", "bm25", *flags, "--depth", "99").code == 2
    server = ("--with", "http://127.0.0.1:9/v1/rerank", "--tasks", folder)
    keyless = rebench("rerank", "bm25", *server, "--server-model", "m", "--api-key-env", "NO_SUCH")
    assert (keyless.code, "NO_SUCH holds no API key" in keyless.err) == (2, True)
    assert "server decides" in rebench("rerank", "bm25", *server, "--device", "cpu").err
    assert "names none" in rebench("rerank", "bm25", *flags, "--server-model", "m").err
    assert rebench("verify").code == 0


def test_the_command_reranks_a_tasks_own_candidates(rebench, tmp_path: Path, cross_encoder: Path):
    folder = tmp_path / "Nano"
    task = f"{folder}{layouts.hakari(folder)}"
    flags = ("--with", cross_encoder, "--tasks", task, "--json", "--device", "cpu", "--depth", "2")
    (entry,) = rebench("rerank", "candidates:bm25", *flags).json
    assert (entry["model"], entry["task"]) == ("candidates:bm25+tiny-reranker@2", "Nano#NanoOne")
    assert entry["facts"]["pairs_scored"] == 3
    assert rebench("verify").code == 0
    assert "Did you mean bm25" in rebench("rerank", "candidates:bm52", *flags).err


class ByPlace:
    """Scores a list by the places of its texts, last first; reads them side by side."""

    name = "by-place"
    identity = {"model": "by-place"}  # noqa: RUF012
    side_by_side = True

    def score_lists(self, lists: Sequence[CandidateList], reporter: object) -> ListScores:
        scores = (np.arange(len(each.texts), dtype=np.float32) for each in lists)
        return ListScores(tuple(scores), {"calls": len(lists)})


def test_a_scorer_of_lists_orders_the_candidates_and_tells_what_it_took():
    run, task = small()
    found = rerank_run(run, task, ByPlace(), RerankSettings(depth=3), None, SilentReporter())
    assert found.run.rankings["q"].doc_ids == ("c", "b", "a", "d")
    assert (found.scored, found.reused, found.facts) == (3, 0, {"calls": 1})
    passages = RerankSettings(depth=3, long="passages")
    with pytest.raises(BadInput, match="side by side"):
        rerank_run(run, task, ByPlace(), passages, None, SilentReporter())
