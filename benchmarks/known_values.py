"""Values that are known from elsewhere, measured again by `rebench eval` and by scoring real runs.

    python benchmarks/known_values.py DATA [--only PART] [-o FILE.md]

DATA holds `collections/` (cranfield and theoremqa-mini in BEIR layout), `bright/examples/` and
`runs/reasonir-8b-gpt4-queries/`. Every evaluation is a process of its own, as a user would start
it. MiniLM is run three times with the same cache: cold (where the cache has nothing yet), with
`--force`, when no text may be encoded and no model library loaded, and as it was, when the stored
entry is returned. Vectors are kept in `--cache`, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.registry import TaskOptions, load_task
from harness.data.trec import check_run, read_run
from harness.metrics.score import score
from results.environment import environment

EVALUATED = {
    ("cranfield", "bm25"): (0.33285, 5e-6),
    ("cranfield", "bm25-bow"): (0.36556, 5e-6),
    ("cranfield", "minilm"): (0.40010, 5e-4),
    ("theoremqa-mini", "bm25"): (0.30535, 5e-6),
    ("theoremqa-mini", "bm25-bow"): (0.20547, 5e-6),
    ("theoremqa-mini", "minilm"): (0.26065, 5e-4),
}
"""(collection, model) -> nDCG@10 and how far from it is near enough: BM25 by gensim's
LuceneBM25Model on Lucene's own tokens, all-MiniLM-L6-v2 by sentence-transformers at 256 tokens."""
SCORED = {
    "biology": 0.43493, "earth_science": 0.42998, "economics": 0.32654, "psychology": 0.39568,
    "robotics": 0.20820, "stackoverflow": 0.30961, "sustainable_living": 0.27344,
    "leetcode": 0.31685, "pony": 0.19552, "aops": 0.07368, "theoremqa_theorems": 0.36684,
    "theoremqa_questions": 0.33932,
}  # fmt: skip
"""BRIGHT task -> nDCG@10 of ReasonIR-8B's run on GPT-4's queries, by pytrec_eval."""
LIBRARIES = ("transformers", "sentence_transformers", "tokenizers")
"""What a run that finds every vector in the cache must not import."""
PARTS = ("bm25", "minilm", "runs")
DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "known_values.md"


@dataclass(frozen=True, slots=True)
class Line:
    """One value: what is known, what came out, and whether that is near enough."""

    what: str
    known: float
    tolerance: float
    found: float

    @property
    def right(self) -> bool:
        """Tell whether the value is within its tolerance."""
        return abs(self.found - self.known) <= self.tolerance

    def __str__(self) -> str:
        """Return the line of the table."""
        cells = (
            self.what,
            f"{self.known:.5f}",
            f"{self.tolerance:g}",
            f"{self.found:.7f}",
            "yes" if self.right else "NO",
        )
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One process: its seconds, the entry it printed, the model libraries it imported."""

    seconds: float
    entry: dict[str, Any]
    imported: list[str]

    @property
    def encoded(self) -> int:
        """Return how many texts went through the model."""
        return sum(self.entry["facts"][role]["encoded"] for role in ("documents", "queries"))

    @property
    def encoding(self) -> float:
        """Return the seconds from texts to vectors."""
        return sum(self.entry["timings"][f"encode_{role}"] for role in ("documents", "queries"))


def evaluate(model: str, folder: Path, cache: Path, results: Path, *more: str) -> Evaluation:
    """Run `rebench eval` to its end; raises `SystemExit` with its words where it fails."""
    command = [
        str(Path(sys.executable).with_name("rebench")), "eval", "--model", model,
        "--tasks", str(folder), "--cache", str(cache), "--results", str(results), "--json", *more,
    ]  # fmt: skip
    settings = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1", "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        lines = [each for each in done.stderr.splitlines() if not each.startswith("import time:")]
        raise SystemExit("\n".join([" ".join(command), *lines[-20:]]))
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    imported = [name for name in LIBRARIES if name in modules]
    return Evaluation(seconds, json.loads(done.stdout)[0], imported)


def evaluated(data: Path, cache: Path, parts: list[str]) -> tuple[list[Line], list[str]]:
    """Return the lines of `rebench eval`, and what is to be said of MiniLM's later runs."""
    lines, notes = [], []
    with tempfile.TemporaryDirectory() as results:
        for (collection, model), (known, tolerance) in EVALUATED.items():
            if ("minilm" if model == "minilm" else "bm25") not in parts:
                continue
            where = (model, data / "collections" / collection, cache, Path(results))
            first = evaluate(*where)
            found = first.entry["metrics"]["ndcg@10"]
            lines.append(Line(f"{model} on {collection}", known, tolerance, found))
            print(lines[-1], flush=True)
            if model == "minilm":
                again = (evaluate(*where, "--force"), evaluate(*where))
                notes.append(note(collection, first, *again))
                print(notes[-1], flush=True)
    return lines, notes


def note(collection: str, first: Evaluation, forced: Evaluation, same: Evaluation) -> str:
    """Return what MiniLM's three runs did; raises `SystemExit` where a later one did too much."""
    if forced.encoded or forced.imported or forced.entry["metrics"] != first.entry["metrics"]:
        raise SystemExit(f"the second run on {collection} is not what it should be: {forced}")
    if not same.entry["reused"]:
        raise SystemExit(f"the same command on {collection} was not found to be measured: {same}")
    cold = f"the first run encoded {first.encoded:,} texts in {first.encoding:.1f} s"
    if not first.encoded:
        cold = "the first run found every vector in the cache that --cache names"
    return (
        f"- {collection}: {cold} ({first.seconds:.1f} s in all). With `--force`: none, in "
        f"{forced.encoding:.3f} s ({forced.seconds:.1f} s in all), none of "
        f"{', '.join(LIBRARIES)} imported, the same 25 values. The same command again: the stored "
        f"entry, in {same.seconds:.1f} s."
    )


def scored(data: Path) -> Iterator[Line]:
    """Yield the lines of the real runs on BRIGHT's judgements."""
    options = TaskOptions(data_dir=data / "bright", with_corpus=False)
    for name, known in SCORED.items():
        task = load_task(name, options)
        run = read_run(data / "runs" / "reasonir-8b-gpt4-queries" / f"{name}.trec.gz")
        check_run(run, task)
        yield Line(f"ReasonIR-8B on {name}", known, 5e-6, score(run, task.qrels).means["ndcg@10"])


def report(lines: list[Line], notes: list[str], only: str) -> str:
    """Return the result as Markdown."""
    machine = environment()
    right = sum(line.right for line in lines)
    command = "python benchmarks/known_values.py DATA" + (f" --only {only}" if only else "")
    return "\n".join(
        [
            "# Known values, measured again",
            "",
            "| nDCG@10 | known | near enough | found | right |",
            "|---|--:|--:|--:|---|",
            *map(str, lines),
            "",
            f"{right} of {len(lines)} are right.",
            "",
            *notes,
            *([""] if notes else []),
            f"{machine.get('cpu')}, {len(os.sched_getaffinity(0))} cores, OMP_NUM_THREADS "
            f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, load at the end "
            f"{os.getloadavg()[0]:.1f}. Made by `{command}`.",
            "",
        ]
    )


def main() -> None:
    """Measure, print, write, and exit with 1 where a value is not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--cache", type=Path, help="where vectors are kept (a temporary place)")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    arguments = parser.parse_args()
    parts = arguments.only.split(",") if arguments.only else list(PARTS)
    if not set(parts) <= set(PARTS):
        parser.error(f"--only {arguments.only} is not some of {','.join(PARTS)}")
    with tempfile.TemporaryDirectory() as place:
        cache = arguments.cache or Path(place)
        lines, notes = evaluated(arguments.data, cache, parts)
    if "runs" in parts:
        lines += scored(arguments.data)
    text = report(lines, notes, arguments.only)
    print(text)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    raise SystemExit(0 if all(line.right for line in lines) else 1)


if __name__ == "__main__":
    main()
