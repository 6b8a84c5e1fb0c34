"""Readers of everybody's runs, queries, tasks and results."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness.core.progress import SilentReporter
from harness.core.types import Task
from harness.data.beir import load_beir
from harness.data.candidates import candidate_run
from harness.data.query_sets import with_query_file
from harness.data.registry import TaskOptions, load_task
from harness.data.run_formats import is_run_folder
from harness.data.trec import read_run_file
from harness.interop.bright import ImportHints
from harness.interop.importing import read_results
from remixer.corpus import folder_task
from results.published import load_published
from tests.faults.fuzz_reader import Reader, copied, lines, one_of
from tests.helpers import ground_layouts
from tests.helpers.remix_corpus import make_task
from tests.helpers.small_task import write_beir

# Runs, queries and tasks ---------------------------------------------------------------------

TREC = "".join(
    f"{q}\tQ0\t{d}\t{rank}\t{9.5 - rank}\tx\n" for q in ("q1", "q2") for rank, d in enumerate("abc")
)
SCORES = {"q1": {"a": 2.5, "b": 1.5}, "q2": {"c": 1.0}}
CANDIDATES = [{"docid": "a", "score": 2.0, "doc": {"text": "x"}}, {"docid": "b", "score": 1.0}]
RANK_LLM = {"query": {"text": "why", "qid": "q1"}, "candidates": CANDIDATES}
OTHER = {**RANK_LLM, "query": {"text": "how", "qid": "q2"}}
RETRIEVED = {"query_id": "q1", "retrieved_docids": ["a", "b"], "status": "completed"}


def _run(root: Path) -> object:
    (path,) = root.iterdir()
    return read_run_file(path)


def _run_folder(root: Path) -> object:
    return is_run_folder(root), read_run_file(root)


RUNS = {
    "run: TREC": one_of(_run, {"a.trec": TREC}),
    "run: TREC, packed": one_of(_run, {"a.trec.gz": TREC}),
    "run: TREC, spaces": one_of(_run, {"a.run": TREC.replace("\t", " ")}),
    "run: scores": one_of(_run, {"score.json": json.dumps(SCORES)}),
    "run: lists": one_of(
        _run, {"a.json": json.dumps({"search_results": {"q1": ["a", "b"]}})}
    ),
    "run: rank_llm": one_of(_run, {"a.json": json.dumps([RANK_LLM])}),
    "run: rank_llm, lines": one_of(_run, {"a.jsonl": lines(RANK_LLM, OTHER)}),
    "run: folder": one_of(
        _run_folder, {"1.json": json.dumps(RETRIEVED),
                        "2.json": json.dumps({**RETRIEVED, "query_id": "q2"})}
    ),
}  # fmt: skip

TASK: Task = make_task()
REWRITES = [{"id": query.id, "query": f"{query.text} anew"} for query in TASK.queries]


def _queries(name: str, root: Path) -> object:
    return with_query_file(TASK, root / name)


def _layout(write: Callable[[Path], object], name: str = "") -> Reader:
    """Return the reader of a data set in a layout of the hub, in a folder of any name."""

    def made(root: Path) -> list[Path]:
        subset = write(root / "data" / "set")
        (root / "subset").write_text(name or (subset if isinstance(subset, str) else ""))
        return sorted(path for path in (root / "data").rglob("*") if path.is_file())

    return Reader(made, _read_layout)


def _read_layout(root: Path) -> object:
    subset = (root / "subset").read_text()
    task = load_task(f"{root / 'data' / 'set'}{subset}", TaskOptions())
    return [candidate_run(task, listed) for listed in task.candidates]


def _beir(root: Path) -> list[Path]:
    return sorted(path for path in write_beir(root / "task").rglob("*") if path.is_file())


EXAMPLE = {
    "query": "why?", "reasoning": "r", "id": "0", "excluded_ids": ["d2"], "gold_ids": ["d1"],
    "gold_ids_long": ["N/A"], "gold_answer": "a",
}  # fmt: skip
DOCUMENTS = [{"id": f"d{at}", "content": f"text {at}"} for at in range(4)]


def _bright(suffix: str) -> Reader:
    def write(root: Path) -> list[Path]:
        places = [root / "examples" / f"biology{suffix}", root / "documents" / f"biology{suffix}"]
        ground_layouts.write(places[0], [EXAMPLE])
        ground_layouts.write(places[1], DOCUMENTS)
        return places

    return Reader(write, lambda root: load_task("biology", TaskOptions(root)))


TASKS = {
    "queries: lines": one_of(partial(_queries, "a.jsonl"), {"a.jsonl": lines(*REWRITES)}),
    "queries: rows": one_of(partial(_queries, "a.json"), {"a.json": json.dumps(REWRITES)}),
    "queries: object": one_of(
        partial(_queries, "a.json"),
        {"a.json": json.dumps({query.text: "anew" for query in TASK.queries})},
    ),
    "task: BEIR": Reader(
        _beir,
        lambda root: load_beir(root / "task", with_corpus=True, reporter=SilentReporter()),
    ),
    "task: BEIR, for ReMixer": Reader(
        _beir, lambda root: folder_task(root / "task", SilentReporter())
    ),
    "task: BRIGHT, lines": _bright(".jsonl"),
    "task: BRIGHT, packed": _bright(".jsonl.gz"),
    "task: BRIGHT, parquet": _bright(".parquet"),
    "task: mteb": _layout(ground_layouts.mteb),
    "task: mteb, parquet": _layout(ground_layouts.mteb_parquet),
    "task: R2MED": _layout(ground_layouts.r2med),
    "task: hakari": _layout(ground_layouts.hakari),
    "task: TEMPO": _layout(ground_layouts.tempo),
    "task: BRIGHT-Pro": _layout(ground_layouts.bright_pro, "#biology"),
}

# Results of others ---------------------------------------------------------------------------

MTEB = {
    "dataset_revision": "c26703e6600d97c579ee2985f16cf307db13ed85",
    "task_name": "BrightBiologyRetrieval", "mteb_version": "2.0.0", "date": 1.7e9,
    "scores": {"standard": [{"ndcg_at_10": 0.5, "mrr": 0.25, "main_score": 0.5,
                             "hf_subset": "default", "languages": ["eng-Latn"]}]},
}  # fmt: skip
SUITE = {
    **MTEB, "task_name": "BrightRetrieval",
    "scores": {"long": [{"hf_subset": "biology", "recall_at_1": 0.5, "ndcg_at_25": 0.5}]},
}  # fmt: skip
META = {"name": "org/model", "revision": "r"}


def _import(root: Path) -> object:
    return read_results(root, ImportHints())


IMPORTS = {
    "import: mteb": one_of(
        _import, {"org__model/rev/BrightBiologyRetrieval.json": json.dumps(MTEB),
                  "org__model/rev/model_meta.json": json.dumps(META)}
    ),
    "import: mteb's suites": one_of(
        _import, {"org__model/rev/BrightRetrieval.json": json.dumps(SUITE)}
    ),
    "import: BRIGHT": one_of(
        _import, {"biology_bm25_long_False/results.json": json.dumps({"NDCG@10": 0.5, "MRR": 0.1})}
    ),
    "published rows": Reader(
        lambda root: copied(root, "results", "published/dense.toml"), load_published
    ),
}  # fmt: skip
