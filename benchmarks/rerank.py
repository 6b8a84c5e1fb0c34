"""Reranking against `CrossEncoder.predict`, and reranking again, on a CPU.

    python benchmarks/rerank.py                      # 200 queries x 100 passages
    python benchmarks/rerank.py --queries 40         # fewer

One process, one thread, processor time. The model is a BERT of random weights with MiniLM's
tokenizer, smaller than any real cross-encoder, so that what is not the model weighs as much as it
ever will. Queries and passages are those of the embedded task. `rebench` is `rerank_run` with its
store of scores: checks, keys, batches, writing and ranking included; `predict` gets the same pairs
at once and returns their logits.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.progress import SilentReporter
from harness.core.types import Query, Run
from harness.data.registry import TaskOptions, load_task
from harness.pipelines.rerank import RerankSettings, rerank_run
from harness.pipelines.score_store import ScoreStore
from harness.search.bm25 import Bm25Retriever, Bm25Settings
from models.backends.cross_encoder import BATCH, CrossEncoderReranker, LocalOptions
from models.registry import find_card
from models.rerankers.find import find_reranker
from models.weights import find_weights
from results.environment import environment

OUT = Path(__file__).parent / "results" / "rerank.md"
TASKS = ("stdlib-plain", "stdlib-paraphrase")
DEPTH = 100
WINDOW = 256


@dataclass(frozen=True, slots=True)
class Timed:
    """What a call returned, and its seconds of processor and wall time."""

    value: Any
    processor: float
    wall: float


def timed(call: Callable[[], Any]) -> Timed:
    """Run a call and time it."""
    processor, wall = time.process_time(), time.perf_counter()
    value = call()
    return Timed(value, time.process_time() - processor, time.perf_counter() - wall)


def make_model(folder: Path) -> Path:
    """Write a small BERT with one label and MiniLM's tokenizer."""
    from transformers import BertConfig, BertForSequenceClassification, set_seed

    source = find_weights(find_card("minilm")).fetch()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(source / name, folder / name)
    set_seed(1)
    config = BertConfig(
        vocab_size=30_522, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=128, max_position_embeddings=512, initializer_range=0.2,
    )  # fmt: skip
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "small"
        folder.mkdir()
        lines = measure(make_model(folder), Path(work) / "cache", arguments.queries)
    print("\n".join(lines))
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def measure(folder: Path, cache: Path, wanted: int) -> list[str]:
    """Return the page's lines."""
    import torch

    tasks = [load_task(name, TaskOptions(None), SilentReporter()) for name in TASKS]
    task = tasks[0]
    queries = [
        Query(f"{each.name} {query.id}", query.text) for each in tasks for query in each.queries
    ][:wanted]
    task = replace(task, queries=tuple(queries), excluded={})
    rankings = dict(Bm25Retriever("b", Bm25Settings()).search(task, DEPTH, SilentReporter())
                    .run.rankings)  # fmt: skip
    run = Run(rankings)
    scorer = CrossEncoderReranker(find_reranker(str(folder)), LocalOptions("cpu", WINDOW))
    corpus = task.corpus
    texts = {} if corpus is None else corpus.text_of
    asked = {query.id: query.text for query in queries}
    pairs = list(dict.fromkeys(
        (asked[qid], texts[doc]) for qid, ranking in rankings.items() for doc in ranking.doc_ids
    ))  # fmt: skip
    model, plain = scorer._model
    depth = max(len(ranking) for ranking in rankings.values())

    # One thread: with two on shared cores, waiting for each other counts as processor time.
    torch.set_num_threads(1)
    scorer.scores(pairs[: 16 * BATCH])
    model.predict(pairs[: 16 * BATCH], activation_fn=plain, show_progress_bar=False)

    def rerank(settings: RerankSettings) -> Any:
        store = ScoreStore(cache, scorer.identity)
        return rerank_run(run, task, scorer, settings, store, SilentReporter())

    first = timed(lambda: rerank(RerankSettings(depth)))
    theirs = timed(lambda: model.predict(pairs, activation_fn=plain, batch_size=BATCH,
                                         show_progress_bar=False))  # fmt: skip
    again = timed(lambda: rerank(RerankSettings(50, 0.5)))
    found = dict(zip(pairs, theirs.value.tolist(), strict=True))
    gaps = [
        abs(float(value) - found[asked[qid], texts[doc]])
        for qid, ranking in first.value.run.rankings.items()
        for doc, value in zip(ranking.doc_ids, ranking.scores, strict=True)
    ]
    facts = environment()
    return [
        "# Reranking on a CPU",
        "",
        f"{len(rankings)} queries × up to {depth} passages, {len(pairs):,} pairs.",
        "",
        "| what | processor, s | wall, s |",
        "|---|--:|--:|",
        f"| `CrossEncoder.predict`, the same pairs at once | {theirs.processor:.1f} | "
        f"{theirs.wall:.1f} |",
        f"| `rebench`, scores kept | {first.processor:.1f} | {first.wall:.1f} |",
        f"| `rebench` again, depth 50 and blend 0.5 | {again.processor:.2f} | {again.wall:.2f} |",
        "",
        f"rebench / predict: {first.processor / theirs.processor:.3f} by processor time. Again: "
        f"{first.processor / again.processor:.0f} times less, {again.value.scored} pairs scored. "
        f"Largest difference of a score: {np.max(gaps):.1e}. "
        f"{facts.get('usable_cores')} shared cores, Python {facts.get('python')}. "
        "Made by `python benchmarks/rerank.py`.",
    ]


if __name__ == "__main__":
    main()
