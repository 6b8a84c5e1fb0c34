"""A small recipe and rows for tests that train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from redapter.config import RunConfig
from redapter.config_file import config_from_table, merged
from tests.helpers.tiny_backbones import WORDS

PLAIN = [word for word in WORDS if word != "poison"]


def write_training_rows(path: Path, *, rows: int = 16, tasks: int = 2, seed: int = 0) -> Path:
    """Write rows of random words; the positive repeats the query's words."""
    rng = np.random.default_rng(seed)
    say = lambda n: " ".join(rng.choice(PLAIN, n))  # noqa: E731
    lines = []
    for index in range(rows):
        query = say(4)
        lines.append(
            {
                "prompt": "relevant",
                "query": query,
                "reasoning_query": f"{query} because {say(3)}",
                "pos": [f"{query} {say(2)}", f"{say(1)} {query}"],
                "neg": [say(6) for _ in range(5)],
                "task": f"task-{index % tasks}",
                "conditions": {"difficulty": float(index + 1)},
            }
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def small_recipe(base: Path, data: Path, **changes: Any) -> RunConfig:
    """Return a recipe of four queries a step for a tiny backbone on the CPU."""
    table: dict[str, Any] = {
        "name": "tiny",
        "model": {"base": str(base), "pooling": "mean"},
        "lora": {"rank": 0},
        "loss": {"warmup_steps": 2},
        "data": {
            "path": str(data),
            "max_query_length": 16,
            "max_passage_length": 16,
            "max_reasoning_length": 24,
        },
        "batch": {"size": 4, "group_size": 4},
        "train": {"device": "cpu", "epochs": 2, "learning_rate": 1e-3, "save_steps": 3},
    }
    return config_from_table(merged(table, changes), "test")
