"""A small cross-encoder from MiniLM's weights and the written queries: what reranking brings.

    python benchmarks/reranker_recipe.py                  # five folds, reranks BM25 out of fold
    python benchmarks/reranker_recipe.py --fold 0         # one of them: a fifth of the time
    python benchmarks/reranker_recipe.py --keep FOLDER    # models stay there for the next run
    python benchmarks/reranker_recipe.py --save FOLDER    # trains on all queries, keeps the model

Trained with sentence-transformers' CrossEncoderTrainer on queries that were written for this
project and judged (`remixer/examples`): a pair is a query with its source, a document judged 3 or
more (label 1), or one of the first candidates judged less (label 0). Queries are dealt to five
folds by `harness.data.folds`; with a fold held out, neither its queries nor its sources' texts are
trained on. Each held-out query's first documents by BM25 are then reranked by the model that never
saw it, and rerank - BM25 is told with its 95 % interval over queries. Settings were chosen before
the first run and not changed after it. Queries and documents are cut to what two cores can read in
minutes; BM25 reads whole queries and documents.
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from harness.ablation.folds import (
    POSITIVE_FROM,
    WITH_SOURCE,
    WRITTEN,
    WrittenFolds,
    WrittenQueries,
    WrittenQuery,
)
from harness.api.session import open_session
from harness.api.training import ablation_folder, ablation_spec, dependencies
from harness.core.files import write_text
from harness.core.progress import SilentReporter
from harness.core.types import Corpus, Query, Run, Task
from harness.data.folds import FOLDS, fold_of
from harness.metrics.score import score
from harness.pipelines.rerank import RerankSettings, rerank_run
from harness.search.bm25 import Bm25Retriever, Bm25Settings
from harness.stats.bootstrap import mean_interval
from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
from models.registry import find_card
from models.rerankers.find import find_reranker
from models.weights import find_weights
from results.environment import environment

OUT = Path(__file__).parent / "results" / "reranker_recipe.md"
METRIC = "ndcg@10"
QUERY_WORDS, DOCUMENT_WORDS, WINDOW = 50, 40, 128
QUERY_TOKENS = 96
"""A query keeps this much of the window at most, so that a quarter is left to the passage."""
FROZEN_LAYERS = 3
NEGATIVES = 2
EPOCHS, BATCH, RATE, SEED = 1, 16, 5e-5, 42
DEPTH = 20
BLENDS = (1.0, 0.5)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Texts and labels, as the trainer takes them."""

    queries: list[str]
    passages: list[str]
    labels: list[float]


def first_words(text: str, count: int) -> str:
    """Return the first words of a text."""
    return " ".join(text.split()[:count])


def training_pairs(
    queries: Sequence[WrittenQuery], text_of: Mapping[str, str], banned: frozenset[str]
) -> Pairs:
    """Return the pairs of queries, without the documents `banned` as passages."""
    pairs = Pairs([], [], [])
    for query in queries:
        positive = [d for d, s in query.judged.items() if s >= POSITIVE_FROM and d != query.source]
        negative = [d for d, s in query.judged.items() if s < POSITIVE_FROM and d not in banned]
        chosen = [(d, 1.0) for d in (query.source, *positive) if d not in banned]
        chosen += [(d, 0.0) for d in negative[:NEGATIVES]]
        for document, label in chosen:
            pairs.queries.append(first_words(query.text, QUERY_WORDS))
            pairs.passages.append(first_words(text_of[document], DOCUMENT_WORDS))
            pairs.labels.append(label)
    return pairs


def train_reranker(pairs: Pairs, folder: Path) -> Path:
    """Train MiniLM with a new head for one number on pairs, and save it into a folder."""
    from datasets import Dataset
    from sentence_transformers.cross_encoder import (
        CrossEncoder,
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
    from transformers import set_seed

    set_seed(SEED)
    with tempfile.TemporaryDirectory() as work:
        base = Path(work) / "base"
        base.mkdir()
        for path in find_weights(find_card("minilm")).fetch().iterdir():
            # Only the transformer: its list of modules is that of an embedder.
            if path.is_file() and path.name not in ("modules.json", "README.md") and \
                    not path.name.startswith("config_sentence"):  # fmt: skip
                shutil.copy(path, base / path.name)
        model = CrossEncoder(str(base), num_labels=1, max_length=WINDOW, device="cpu")
        bert = model.model.bert  # few pairs: words and lower layers stay as MiniLM has them
        for part in (bert.embeddings, *bert.encoder.layer[:FROZEN_LAYERS]):
            part.requires_grad_(False)
        arguments = CrossEncoderTrainingArguments(
            output_dir=str(Path(work) / "out"),
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            warmup_steps=0.1,
            seed=SEED,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        columns = {"query": pairs.queries, "passage": pairs.passages, "label": pairs.labels}
        CrossEncoderTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=BinaryCrossEntropyLoss(model),
        ).train()
        model.save_pretrained(str(folder))
    return folder


def cut_query(text: str, tokenizer: Any) -> str:
    """Return a query's first words, as many as leave room for a passage."""
    count = QUERY_WORDS
    while len(tokenizer(first_words(text, count))["input_ids"]) > QUERY_TOKENS:
        count -= 1
    return first_words(text, count)


SECONDS = "training-seconds.txt"
"""Lies beside a trained model, written last: a folder without it is trained again."""


def trained(pairs: Pairs, folder: Path) -> float:
    """Train a model unless its folder is whole, and return how many seconds training took."""
    done = folder / SECONDS
    if not done.is_file():
        start = time.perf_counter()
        train_reranker(pairs, folder)
        write_text(done, f"{time.perf_counter() - start:.1f}\n")
    return float(done.read_text(encoding="utf-8"))


def cut_task(task: Task, tokenizer: Any) -> Task:
    """Return a task whose texts are cut to what the reranker reads."""
    corpus = task.corpus or Corpus((), ())
    texts = tuple(first_words(text, DOCUMENT_WORDS) for text in corpus.texts)
    queries = tuple(Query(each.id, cut_query(each.text, tokenizer)) for each in task.queries)
    return replace(task, queries=queries, corpus=replace(corpus, texts=texts))


@dataclass(frozen=True, slots=True)
class Measured:
    """Values by query of BM25 and of each blend, out of fold."""

    bm25: Mapping[str, float]
    blends: Mapping[float, Mapping[str, float]]


def measure(tasks: Mapping[str, Task], models: Mapping[int, Path]) -> dict[str, Measured]:
    """Rerank each query by the model of its fold, on each task."""
    from transformers import AutoTokenizer

    scorers = {
        fold: _Kept(CrossEncoderReranker(find_reranker(str(folder)), LocalOptions("cpu")))
        for fold, folder in models.items()
    }
    tokenizer = AutoTokenizer.from_pretrained(next(iter(models.values())))
    found = {}
    for name, task in tasks.items():
        first = Bm25Retriever("bm25", Bm25Settings()).search(task, 100, SilentReporter()).run
        read = cut_task(task, tokenizer)
        before = score(first, task.qrels).per_query[METRIC]
        blends = {}
        for blend in BLENDS:
            rankings: dict[str, Any] = {}
            for fold, scorer in scorers.items():
                own = {q: r for q, r in first.rankings.items() if fold_of(WRITTEN, q) == fold}
                settings = RerankSettings(DEPTH, blend)
                done = rerank_run(Run(own), read, scorer, settings, None, SilentReporter())
                rankings.update(done.run.rankings)
            after = score(Run(rankings), task.qrels).per_query[METRIC]
            blends[blend] = {qid: after[qid] for qid in rankings}
        found[name] = Measured(before, blends)
    return found


class _Kept:
    """A scorer that keeps its scores between two blends."""

    def __init__(self, scorer: CrossEncoderReranker) -> None:
        self.name, self.identity = scorer.name, scorer.identity
        self._scorer = scorer
        self._known: dict[tuple[str, str], float] = {}

    def scores(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """Return the logits of pairs."""
        new = [pair for pair in pairs if pair not in self._known]
        self._known.update(zip(new, self._scorer.scores(new).tolist(), strict=True))
        return np.array([self._known[pair] for pair in pairs], dtype=np.float32)


def table(found: Mapping[str, Measured]) -> list[str]:
    """Return the rows of the result."""
    lines = [
        "| gold | queries | blend | BM25 | reranked | rerank - BM25, 95 % interval |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, each in found.items():
        for blend, values in each.blends.items():
            before = np.array([each.bm25[qid] for qid in values])
            after = np.array(list(values.values()))
            interval = mean_interval(after - before, np.random.default_rng(SEED))
            gain = 100 * math.fsum(after - before) / len(after)
            spread = "-"
            if interval is not None:
                spread = f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"
            lines.append(
                f"| {name} | {len(after)} | {blend:g} | {100 * before.mean():.2f} | "
                f"{100 * after.mean():.2f} | {gain:+.2f} ({spread}) |"
            )
    return lines


def run_folds(
    written: WrittenQueries, tasks: Mapping[str, Task], work: Path, folds: Sequence[int]
) -> list[str]:
    """Train a model a fold, rerank its queries, and return the page's lines."""
    text_of = written.corpus.text_of
    models, seconds, count = {}, 0.0, 0
    for fold in folds:
        kept = [query for query in written.queries if fold_of(WRITTEN, query.id) != fold]
        held = frozenset(q.source for q in written.queries if fold_of(WRITTEN, q.id) == fold)
        pairs = training_pairs(kept, text_of, held)
        models[fold] = work / f"fold-{fold}"
        seconds += trained(pairs, models[fold])
        count += len(pairs.labels)
        print(f"fold {fold}: {len(pairs.labels)} pairs, {seconds:.0f} s so far", flush=True)
    lines = table(measure(tasks, models))
    facts = environment()
    return [
        "# A small cross-encoder on the written queries, out of fold",
        "",
        f"Folds measured: {', '.join(map(str, folds))} of 0 to {FOLDS - 1}.",
        "",
        *lines,
        "",
        f"MiniLM with a head for one number, words and lower {FROZEN_LAYERS} of 6 layers as they "
        f"were, {count // len(folds)} pairs a fold, {EPOCHS} epoch, "
        f"batch {BATCH}, learning rate {RATE:g}, seed {SEED}; queries cut to {QUERY_WORDS} words "
        f"and {QUERY_TOKENS} tokens, documents to {DOCUMENT_WORDS} for the reranker, none for "
        f"BM25; depth {DEPTH}. "
        f"nDCG@10 × 100. Training took {seconds / len(folds):.0f} s a fold on "
        f"{facts.get('usable_cores')} shared cores, Python {facts.get('python')}, torch "
        f"{version('torch')}, sentence-transformers {version('sentence-transformers')}. "
        f"`{WRITTEN}` leaves out the document that a query was written from, `{WITH_SOURCE}` takes "
        f"it for gold. Made by `python benchmarks/reranker_recipe.py{_named(folds)}`.",
    ]


def _named(folds: Sequence[int]) -> str:
    """Return the flags that name folds, none for all of them."""
    return "" if len(folds) == FOLDS else "".join(f" --fold {fold}" for fold in folds)


def main() -> None:
    """Train, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    parser.add_argument("--save", type=Path, help="train on all queries and keep the model here")
    parser.add_argument(
        "--keep", type=Path, help="keep the folds' models here, and take them again"
    )
    parser.add_argument("--fold", type=int, action="append", choices=range(FOLDS))
    arguments = parser.parse_args()
    session = open_session(progress=SilentReporter())
    spec = ablation_spec("redapter")
    folds = dependencies(spec, session, ablation_folder(spec, None), ()).folds()
    if not isinstance(folds, WrittenFolds):
        raise TypeError(f"the demonstration has no written queries but {type(folds).__name__}")
    written = folds.written
    if arguments.save:
        pairs = training_pairs(written.queries, written.corpus.text_of, frozenset())
        print(train_reranker(pairs, arguments.save))
        return
    without, with_source = folds.tasks(0)
    with tempfile.TemporaryDirectory() as work:
        tasks = {WRITTEN: without, WITH_SOURCE: with_source}
        place = arguments.keep or Path(work)
        lines = run_folds(written, tasks, place, arguments.fold or range(FOLDS))
    print("\n".join(lines))
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
