"""Figures of the method: the schedule against DeepSpeed's, and the written reasonings.

Run: python benchmarks/method_figures.py [--lr-schedules FILE] [-o FILE.md]

The schedule `warmup-decay` is stepped for 1,300 steps with a toy optimizer, as DeepSpeed's class
WarmupDecayLR is: the installed one, or that of a file `deepspeed/runtime/lr_schedules.py` from its
source. Without either it is held against the formula written apart. The reasonings are those of
`remixer/examples`, held against every documented object of the running interpreter.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import math
import platform
import re
import runpy
import sys
import types
from pathlib import Path

from harness.data.stdlib.task import build_corpus
from redapter.schedule import WarmupDecay

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_OUTPUT = ROOT / "benchmarks" / "results" / "method_figures.md"
REPLAY = ROOT / "remixer" / "examples" / "stdlib-replay.jsonl.gz"
ORDINARY = ROOT / "tests" / "remixer" / "ordinary_words.txt"
PEAK, STEPS, WARMUP, SHINGLE = 1e-4, 1300, 130, 8


def reference_class(path: Path | None) -> type | None:
    """Return DeepSpeed's class, from a file of its source or as installed; `None` without it."""
    if path is None:
        try:
            from deepspeed.runtime.lr_schedules import WarmupDecayLR
        except ImportError:
            return None
        return WarmupDecayLR
    # The file asks of its package only a logger.
    utils = types.ModuleType("deepspeed.utils")
    utils.logger = logging.getLogger("deepspeed")
    sys.modules.setdefault("deepspeed", types.ModuleType("deepspeed"))
    sys.modules.setdefault("deepspeed.utils", utils)
    return runpy.run_path(str(path))["WarmupDecayLR"]


def by_formula() -> list[float]:
    """Return the learning rates of docs/redapter.md, written apart from `redapter.schedule`."""
    rates = [0.0]
    for i in range(STEPS - 1):
        falling = PEAK * max(0.0, (STEPS - i) / max(1, STEPS - WARMUP))
        rates.append(PEAK * math.log(i + 1) / math.log(WARMUP) if i < WARMUP else falling)
    return rates


def stepped(make: object) -> list[float]:
    """Return the learning rate of each step of a toy optimizer under a schedule."""
    import torch

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))], lr=PEAK)
    schedule = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def schedule_line(path: Path | None) -> str:
    """Return the largest difference of a learning rate, and what it was held against."""
    from torch.optim.lr_scheduler import LambdaLR

    ours = stepped(lambda optimizer: LambdaLR(optimizer, WarmupDecay(WARMUP, STEPS).share))
    reference = reference_class(path)
    if reference is None:
        expected, name = by_formula(), "the formula, written apart"
    else:
        expected = stepped(
            lambda optimizer: reference(
                optimizer, STEPS, warmup_max_lr=PEAK, warmup_num_steps=WARMUP
            )
        )
        name = "DeepSpeed's WarmupDecayLR"
    gap = max(abs(one - other) for one, other in zip(ours, expected, strict=True))
    what = f"warmup-decay, {STEPS:,} steps, peak {PEAK:g}"
    return f"| {what} | largest difference to {name}: {gap:.1e} |"


def reasoning_line() -> str:
    """Return how many reasonings hold an object's name, or eight words in a row of an entry."""
    corpus = build_corpus()
    parts = {part for name in corpus.ids for part in name.split(".")}
    lines = ORDINARY.read_text(encoding="utf-8").splitlines()
    ordinary = {word for line in lines if not line.startswith("#") for word in line.split()}
    quoted = set().union(*(shingles(text) for text in corpus.texts))
    names = words = total = 0
    with gzip.open(REPLAY, "rt", encoding="utf-8") as replies:
        for line in replies:
            record = json.loads(line)
            if record["request"]["about"]["stage"] != "reason":
                continue
            text, total = record["reply"]["text"], total + 1
            dotted = set(re.findall(r"\w+(?:\.[A-Za-z_]\w*)+", text)) & set(corpus.ids)
            bare = {w for w in tokens(text) if w in parts and w.lower() not in ordinary}
            names += bool(dotted or bare)
            words += bool(shingles(text) & quoted)
    return (
        f"| written reasonings with a name of an object that is no ordinary word / with {SHINGLE} "
        f"words in a row of an entry | {names} / {words} of {total} |"
    )


def tokens(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"[A-Za-z0-9_]+", text)


def shingles(text: str) -> set[tuple[str, ...]]:
    """Return its runs of eight words, small letters."""
    words = [word.lower() for word in tokens(text)]
    return {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}


def main() -> None:
    """Compute the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr-schedules", type=Path, metavar="FILE")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    lines = [
        "# Figures of the method",
        "",
        "| what | figure |",
        "|---|---|",
        schedule_line(options.lr_schedules),
        reasoning_line(),
        "",
        f"Python {platform.python_version()}. Made by `python benchmarks/method_figures.py"
        + (" --lr-schedules deepspeed/runtime/lr_schedules.py`." if options.lr_schedules else "`."),
    ]
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
