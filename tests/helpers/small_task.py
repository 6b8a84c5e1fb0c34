"""A task folder in BEIR layout with every trap in it, small enough to check by hand."""

from __future__ import annotations

import json
from pathlib import Path

DOCUMENTS = {
    "moon.txt": "The tides follow the moon, whose pull raises the water twice a day.",
    "bread 1": "Dough rises because yeast makes gas from sugar.",
    "bread 2": "Dough rises because yeast makes gas from sugar.",
    "engine": "A heat engine turns a difference of temperature into work.",
    "empty": "",
    "q1-itself": "Why does the sea come and go?",
}
QUERIES = {"q1": "Why does the sea come and go?", "q2": "What makes a loaf grow in the oven?"}
QRELS = "query-id\tcorpus-id\tscore\nq1\tmoon.txt\t2\nq2\tbread 1\t1\nq2\tbread 2\t1\n"


def write_beir(folder: Path) -> Path:
    """Write the small task into `folder` and return it."""
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        "".join(
            json.dumps({"_id": key, "title": "", "text": text}) + "\n"
            for key, text in DOCUMENTS.items()
        ),
        encoding="utf-8",
    )
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in QUERIES.items()),
        encoding="utf-8",
    )
    (folder / "qrels" / "test.tsv").write_text(QRELS, encoding="utf-8")
    (folder / "excluded.jsonl").write_text(
        json.dumps({"query-id": "q1", "excluded_ids": ["q1-itself"]}) + "\n", encoding="utf-8"
    )
    return folder


def write_run(path: Path) -> Path:
    """Write a small TREC run of the task, one id with a space, and return its path."""
    path.write_text("q1 Q0 moon.txt 1 0.9 x\nq2 Q0 bread 1 1 0.5 x\n", encoding="utf-8")
    return path
