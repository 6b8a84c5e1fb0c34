"""The demonstration's learning rate, compared on rows held out of its training.

    python benchmarks/demo_recipe.py ablations/redapter-demo/data/…/training.jsonl.gz

One row in five is held out by a hash of its source. Each setting of `redapter/configs/demo.toml`
is trained with plain InfoNCE (the baseline: what suits it, not what suits Redapter) on the others,
and ranks the judged candidates of the held-out queries. The test task is not looked at. The
candidates were mined by the untrained model, so its own number is low by construction and is no
measure of what training gains; settings are compared with each other.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.core.progress import SilentReporter
from harness.core.training_row import TrainingRow, read_rows, write_rows
from harness.core.types import Ranking, Run
from harness.metrics.score import score
from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions
from redapter.config_file import read_config
from redapter.train import train
from results.environment import environment

OUT = Path(__file__).parent / "results" / "demo_recipe.md"
HELD_OUT = 5
METRIC = "ndcg@10"
RATES = (2e-5, 5e-5, 1e-4)
"""BERT's range (Devlin et al. 2019, appendix A.3) and one above."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting: seconds of training, nDCG@10 on the held-out candidates."""

    name: str
    seconds: float
    value: float


def is_held_out(row: TrainingRow) -> bool:
    """Tell whether a row is held out: the same rows on any machine."""
    return int(hashlib.sha256(row.source_id.encode()).hexdigest(), 16) % HELD_OUT == 0


def ranked(model: str, rows: list[TrainingRow]) -> float:
    """Return the mean nDCG@10 of the rows' judged candidates under a model's cosines."""
    embedder = make_embedder(resolve_model(model, LoadOptions(), {}))
    rankings: dict[str, Ranking] = {}
    qrels: dict[str, dict[str, int]] = {}
    for at, row in enumerate(rows):
        texts = (*row.pos, *row.neg)
        query = embedder.encode([row.query], role="query", instruction="")
        scores = (embedder.encode(texts, role="document", instruction="") @ query[0]).ravel()
        order = np.argsort(-scores, kind="stable")
        rankings[str(at)] = Ranking(tuple(f"{place:03d}" for place in order), scores[order])
        qrels[str(at)] = {
            f"{place:03d}": int(label) - 2 for place, label in enumerate(row.pos_scores)
        }
    return score(Run(rankings), qrels).means[METRIC]


def trials(rows: list[TrainingRow], held_out: list[TrainingRow]) -> Iterator[Trial]:
    """Yield the untrained model and each setting."""
    yield Trial("untrained", 0.0, ranked("minilm", held_out))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_rows(path, rows)
        for rate in RATES:
            config = read_config("demo", [
                f'data.path="{path}"', 'loss.kind="infonce"', f"train.learning_rate={rate}",
            ])  # fmt: skip
            start = time.perf_counter()
            done = train(config, Path(folder) / f"{rate}", SilentReporter())
            seconds = time.perf_counter() - start
            yield Trial(f"{rate:g}", seconds, ranked(str(done.model), held_out))


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    arguments = parser.parse_args()
    every = list(read_rows(arguments.rows))
    held_out = [row for row in every if is_held_out(row)]
    rows = [row for row in every if not is_held_out(row)]
    lines = [
        "# The demonstration's learning rate, on held-out rows",
        "",
        f"{len(rows)} rows trained on, {len(held_out)} held out; InfoNCE, one seed; nDCG@10 × 100",
        "of the held-out queries' judged candidates. These were mined by the untrained model, so",
        "its number is low by construction.",
        "",
        "| learning rate | training, s | held-out nDCG@10 |",
        "|---|--:|--:|",
    ]
    for trial in trials(rows, held_out):
        lines.append(f"| {trial.name} | {trial.seconds:.0f} | {100 * trial.value:.2f} |")
        print(lines[-1], flush=True)
    facts = environment()
    lines += ["", f"{facts.get('usable_cores')} CPU cores, Python {facts.get('python')}, "
              f"torch {version('torch')}. The held-out rows are few: a point or two mean little. "
              "Made by `python benchmarks/demo_recipe.py training.jsonl.gz`."]  # fmt: skip
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
