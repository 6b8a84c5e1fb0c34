"""A small ablation in files: a tiny backbone, rows, a task folder, and the TOML that names them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.helpers.tiny_backbones import make_backbone
from tests.helpers.train_cases import PLAIN, write_training_rows

RECIPE = """
name = "tiny"
[model]
base = {base}
pooling = "mean"
[lora]
rank = 0
[loss]
warmup_steps = 1
[data]
path = {rows}
query_format = "{{query}}"
max_query_length = 16
max_passage_length = 16
max_reasoning_length = 24
[batch]
size = 4
group_size = 4
[train]
device = "cpu"
epochs = 2
learning_rate = 3e-3
save_steps = 2
threads = 1
"""

ABLATION = """
name = "small"
base = {recipe}
tasks = [{task}]
seeds = [1, 2]
baseline = "infonce"
published = ["reasonembed-qwen3-8b"]

[reference]
model = {base}

[variants.infonce]
title = "InfoNCE"
recipe.loss.kind = "infonce"

[variants.redapter]
title = "Redapter"

[variants.static]
on_request = true
recipe.loss.kind = "static"
data.path = {rows}
data.difficulty = "base-loss"
"""


def write_task(folder: Path, *, queries: int = 12, documents: int = 30, seed: int = 0) -> Path:
    """Write a task in BEIR layout: documents of random words, queries of their first three."""
    rng = np.random.default_rng(seed)
    (folder / "qrels").mkdir(parents=True)
    texts = [" ".join(rng.choice(PLAIN, 6)) for _ in range(documents)]
    corpus = [{"_id": f"d{at}", "title": "", "text": text} for at, text in enumerate(texts)]
    asked = [{"_id": f"q{at}", "text": " ".join(texts[at].split()[:3])} for at in range(queries)]
    for name, rows in (("corpus", corpus), ("queries", asked)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    gold = "".join(f"q{at}\td{at}\t1\n" for at in range(queries))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{gold}")
    return folder


def write_ablation(folder: Path, *, rows: int = 16) -> Path:
    """Write everything that an ablation of seconds needs into a folder; returns its TOML file."""
    base = make_backbone(folder / "base", "bert")
    data = write_training_rows(folder / "rows.jsonl", rows=rows, tasks=1)
    task = write_task(folder / "words")
    named = {"base": json.dumps(str(base)), "rows": json.dumps(str(data))}
    (folder / "recipe.toml").write_text(RECIPE.format(**named))
    recipe = json.dumps(str(folder / "recipe.toml"))
    text = ABLATION.format(recipe=recipe, task=json.dumps(str(task)), **named)
    (folder / "small.toml").write_text(text)
    return folder / "small.toml"
