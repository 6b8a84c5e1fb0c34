"""How often an ablation finds what is there, and what is not: real trainings on a generated task.

Run: python benchmarks/ablation_instrument.py [--minutes N] [--keep FILE.jsonl] [-o FILE.md]

The task is that of `rebench ablate redapter --preset control`, the design the smallest that the
report does not warn of: three seeds, one set of held-out questions, two variants of InfoNCE on a
layer over frozen MiniLM. A repeat draws rows and held-out questions anew and compares a variant
with itself under other seeds (null), and with one of whose rows a share p has a random document as
its positive (planted). A difference is found if the p that a report counts is at most 0.05. The
share p is the smallest of a grid that a pilot on other draws finds at least four times in five.
With --keep finished repeats are kept in a file, and the next run goes on from there. The same
design is also simulated, 2,000 tables without a difference, as in `ablation_level.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from ablation_level import levels

from harness.ablation.control.files import control_rows
from harness.ablation.control.world import ControlOptions, ControlQuery, World, draw_questions
from harness.ablation.head import CachedVectors
from harness.ablation.redapter import RedapterTrainer
from harness.ablation.table import SETTINGS
from harness.core.progress import SilentReporter
from harness.core.settings import load_settings
from harness.core.training_row import write_rows
from harness.loading import retriever
from harness.stats.crossed import crossed_test, pooled_seeds
from harness.stats.samples import Values
from redapter.batches import plan_run
from redapter.checkpoints import TrainingFolder
from redapter.collate import DrawnRows
from redapter.config import RunConfig
from redapter.data import Example, load_examples
from redapter.head import train_head
from redapter.train import limit_threads

DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "ablation_instrument.md"
POOL = ControlOptions(rows=900, queries=192, seed=7)
"""What repeats draw from; another world than the control's."""

ROWS, QUERIES, STEPS, SEEDS = 600, 192, 120, 3
SHARES = (0.1, 0.2, 0.3, 0.4, 0.6)
PILOT, ENOUGH = 10, 0.8
DEPTH = 10
SILENT = SilentReporter()


@dataclass(frozen=True)
class Bench:
    """Everything that a repeat draws from: examples, held-out questions, documents, vectors."""

    recipe: RunConfig
    examples: tuple[Example, ...]
    held_out: tuple[ControlQuery, ...]
    documents: dict[str, str]
    vectors: CachedVectors

    def head(self, examples: Sequence[Example], seed: int) -> Values:
        """Return the layer trained on some examples."""
        recipe = replace(self.recipe, train=replace(self.recipe.train, seed=seed))
        train = recipe.train
        plan = plan_run(
            examples, recipe.batch, seed=seed, epochs=train.epochs, max_steps=train.max_steps
        )
        with tempfile.TemporaryDirectory() as folder:
            rows = DrawnRows(tuple(examples), plan.steps, seed)
            where = TrainingFolder(Path(folder))
            return train_head(recipe, rows, self.vectors, where, SILENT)

    def values(self, head: Values, questions: Sequence[ControlQuery]) -> Values:
        """Return nDCG@10 of each question, whose one relevant document is its answer."""
        queries = _unit(self.vectors.matrix([each.text for each in questions], "query") @ head.T)
        matrix = self.vectors.matrix(list(self.documents.values()), "document")
        scores = queries @ _unit(matrix @ head.T).T
        place = {key: at for at, key in enumerate(self.documents)}
        gold = scores[np.arange(len(questions)), [place[each.answer] for each in questions]]
        ranks = 1 + (scores > gold[:, None]).sum(axis=1)
        return np.where(ranks <= DEPTH, 1 / np.log2(1 + ranks), 0.0)

    def variant(
        self, examples: Sequence[Example], seeds: Sequence[int], questions: Sequence[ControlQuery]
    ) -> Values:
        """Return values `[seeds, questions]` of one variant."""
        return np.stack([self.values(self.head(examples, seed), questions) for seed in seeds])


def _unit(vectors: Values) -> Values:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_bench(folder: Path) -> Bench:
    """Return the bench; texts are embedded once, into the user's cache."""
    world = World(POOL.seed)
    split = draw_questions(world, POOL)
    path = folder / "rows.jsonl"
    write_rows(path, control_rows(world, split.training))
    changes = {"loss": {"kind": "infonce"}, "data": {"path": str(path)},
               "train": {"max_steps": STEPS}}  # fmt: skip
    recipe = RedapterTrainer("demo-head").recipe(changes, "the benchmark")
    limit_threads(recipe.train.threads)
    settings = load_settings(Path.cwd(), os.environ)
    vectors = CachedVectors(lambda: retriever("minilm", settings), SILENT)
    vectors.check(recipe)
    examples = load_examples(recipe.data, recipe.batch, recipe.loss.kind).examples
    return Bench(recipe, examples, split.held_out, world.documents, vectors)


def counted_p(one: Values, other: Values, rng: np.random.Generator) -> float:
    """Return the p that a report counts for two variants, values `[seeds, questions]` each."""
    parts = pooled_seeds(np.stack([one.mean(axis=1), other.mean(axis=1)]))
    pooled = None if parts is None else parts[0]
    return crossed_test(one - other, rng, pooled=pooled, permutations=SETTINGS.permutations).p


@dataclass(frozen=True)
class Repeat:
    """What one repeat found: the p of the null (1: not tried) and of the planted difference.

    `share` is what was planted, `difference` the mean difference it made, `seconds` of processor.
    """

    pilot: bool
    share: float
    null: float
    planted: float
    difference: float
    seconds: float


def repeat(bench: Bench, stream: tuple[int, int], share: float, *, null: bool) -> Repeat:
    """Draw rows and questions, train, and test; without `null` only the planted difference."""
    start = time.process_time()
    rng = np.random.default_rng(stream)
    chosen = [bench.examples[at] for at in rng.choice(len(bench.examples), ROWS, replace=False)]
    questions = [
        bench.held_out[at] for at in rng.choice(len(bench.held_out), QUERIES, replace=False)
    ]
    texts = list(bench.documents.values())
    spoiled = set(rng.choice(ROWS, round(share * ROWS), replace=False).tolist())
    worse = [
        replace(each, pos=(texts[int(rng.integers(len(texts)))],)) if at in spoiled else each
        for at, each in enumerate(chosen)
    ]
    first = 1 + 100 * stream[1]
    seeds = list(range(first, first + SEEDS))
    base = bench.variant(chosen, seeds, questions)
    planted = bench.variant(worse, seeds, questions)
    p_null = 1.0
    if null:
        again = bench.variant(chosen, [seed + SEEDS for seed in seeds], questions)
        p_null = counted_p(base, again, rng)
    p_planted = counted_p(base, planted, rng)
    seconds = time.process_time() - start
    return Repeat(
        not null, share, p_null, p_planted, float((base - planted).mean()), round(seconds, 2)
    )


@dataclass
class Log:
    """All repeats so far, and the file that keeps them (`None`: nothing does)."""

    path: Path | None
    repeats: list[Repeat]

    @classmethod
    def open(cls, path: Path | None) -> Log:
        """Read what an earlier run kept."""
        lines = path.read_text().splitlines() if path is not None and path.is_file() else []
        return cls(path, [Repeat(**json.loads(line)) for line in lines])

    def add(self, each: Repeat) -> None:
        """Keep one more."""
        self.repeats.append(each)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(asdict(each)) + "\n")

    def pilot(self, share: float) -> list[Repeat]:
        """Return the pilot's repeats of a share."""
        return [each for each in self.repeats if each.pilot and each.share == share]

    @property
    def main(self) -> list[Repeat]:
        """Return the repeats that count."""
        return [each for each in self.repeats if not each.pilot]


def found(p_values: Sequence[float]) -> int:
    """Return how many differences were found."""
    return sum(p <= SETTINGS.alpha for p in p_values)


def pilot(bench: Bench, log: Log) -> float:
    """Return the share that the benchmark plants, after the pilot's repeats that are missing."""
    for share in SHARES:
        for at in range(len(log.pilot(share)), PILOT):
            log.add(repeat(bench, (1, at), share, null=False))
        if found([each.planted for each in log.pilot(share)]) >= ENOUGH * PILOT:
            break
    return share


def rate(name: str, hits: int, count: int) -> str:
    """Return a line: how often a difference was found, with Wilson's interval."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, count, method="wilson")
    return (
        f"| {name} | {count:,} | {hits} | {100 * hits / count:.1f} % "
        f"| {100 * low:.1f} to {100 * high:.1f} % |"
    )


def simulated(tables: int) -> list[str]:
    """Return a line for each share of the variance that comes from seeds: the tests' own level."""
    lines = []
    for share in (0.0, 0.5):
        level, _ = levels(2, SEEDS, share, tables)["counts"]
        name = f"none: simulated, {100 * share:.0f} % of the variance from seeds"
        lines.append(rate(name, round(level * tables), tables))
    return lines


def page(log: Log, share: float, tables: int) -> str:
    """Return the page as Markdown."""
    results = log.main
    tried = [
        f"| {100 * each:.0f} % | {found([r.planted for r in log.pilot(each)])} of {PILOT} "
        f"| {100 * np.mean([r.difference for r in log.pilot(each)]):.2f} |"
        for each in SHARES
        if log.pilot(each)
    ]
    minutes = sum(each.seconds for each in log.repeats) / 60
    lines = [
        "# What an ablation finds: real trainings",
        "",
        f"A repeat draws {ROWS} training rows and {QUERIES} held-out questions of a generated task "
        f"(docs/ablation.md, the control; world {POOL.seed}) and trains a layer on frozen MiniLM "
        f"for {STEPS} steps, {SEEDS} seeds a variant. Null: the same variant under two sets of "
        f"seeds. Planted: {100 * share:.0f} % of one variant's rows have a random document as "
        "positive. Found: the p that a report counts, with one comparison, is at most "
        f"{SETTINGS.alpha:g}. Intervals are Wilson's, 95 %.",
        "",
        "| difference | tables | found | rate | interval |",
        "|---|--:|--:|--:|--:|",
        rate("none: trained, other seeds", found([r.null for r in results]), len(results)),
        rate(f"planted, {100 * share:.0f} %", found([r.planted for r in results]), len(results)),
        *(simulated(tables) if tables else ()),
        "",
        f"The planted difference is {100 * np.mean([each.difference for each in results]):.2f} "
        "points of nDCG@10 in the mean.",
        "",
        f"The pilot, {PILOT} repeats a share on draws of its own, stops at the first share that is "
        f"found in {100 * ENOUGH:.0f} % of them:",
        "",
        "| share | found | mean difference, points |",
        "|--:|--:|--:|",
        *tried,
        "",
        f"{minutes:.0f} processor minutes of trainings. More simulated designs: "
        "[ablation_level.md](ablation_level.md).",
        "",
        "Made by `python benchmarks/ablation_instrument.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the pilot and the repeats, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0, help="processor minutes at most")
    parser.add_argument("--keep", type=Path, help="a file for finished repeats")
    parser.add_argument("--tables", type=int, default=2_000, help="simulated tables (0: none)")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    log = Log.open(options.keep)
    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(Path(folder))
        share = pilot(bench, log)
        longest = 0.0
        while not log.main or time.process_time() + longest < 60 * options.minutes:
            log.add(repeat(bench, (2, 1_000 + len(log.main)), share, null=True))
            longest = max(longest, log.main[-1].seconds)
    text = page(log, share, options.tables)
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
