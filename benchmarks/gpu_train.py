"""Training steps of Qwen3 shapes on one GPU: does the released batch fit, how fast, how busy.

Run on a machine with a GPU: python benchmarks/gpu_train.py [--shapes NAME,…] [--steps N]
Check it without one:        python benchmarks/gpu_train.py --shapes tiny --device cpu --steps 1

Weights are random and nothing is downloaded. A step is the released recipe's share of one GPU:
8 queries x 16 passages, 8 reasoning queries, every text 512 tokens, LoRA rank 32 on the seven
projections, bfloat16, AdamW. The page says which settings fit, tokens a second (reasoning queries
included), arithmetic a second, and how busy the GPU was.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from gpu_shapes import SHAPES, Shape
from torch import nn

from redapter.config import LoraConfig
from redapter.encoder import add_lora, checkpoint_activations
from redapter.options import LossOptions
from redapter.sentence_loss import RedapterLoss

DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results" / "gpu_train.md"
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.2}
"""Dense bfloat16 peak by device name, from the makers' data sheets (H100, H200: SXM)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a step is run; `mini_batch` 0 embeds all texts at once."""

    kind: str = "redapter"
    checkpointing: bool = True
    mini_batch: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """The share of one GPU; `length` is in tokens."""

    queries: int = 8
    passages: int = 16
    length: int = 512


SETTINGS = (
    Setting(),
    Setting(kind="infonce"),
    Setting(mini_batch=16),
    Setting(checkpointing=False, mini_batch=16),
    Setting(checkpointing=False),
)


class Readout(nn.Module):
    """A backbone that returns the last token's normalised state, `[n, hidden]`.

    Autocast is in here, since gradient caching runs the model again in the backward pass.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the embeddings under the key that the loss reads."""
        device = features["input_ids"].device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            states = self.backbone(**features).last_hidden_state[:, -1]
        return {"sentence_embedding": nn.functional.normalize(states.float(), dim=-1)}


@dataclass(slots=True)
class Busy:
    """Samples the GPU's utilisation in per cent, as nvidia-smi reports it, while it is open."""

    device: str
    samples: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Busy:
        if self.device.startswith("cuda"):
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def _sample(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._stop.wait(0.5):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            except (OSError, subprocess.CalledProcessError):
                return
            self.samples.append(float(done.stdout.splitlines()[0]))

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()


def make_model(shape: Shape, setting: Setting, device: str) -> Readout:
    """Return the backbone with random weights and adapters on the device."""
    from transformers import AutoModel

    config = shape.config()
    torch.manual_seed(0)
    with torch.device(device):
        backbone = AutoModel.from_config(config, dtype=torch.bfloat16)
    add_lora(backbone, LoraConfig())
    if setting.checkpointing:
        checkpoint_activations(backbone)
    model = Readout(backbone).to(device)
    model.train()
    return model


def flops_a_step(shape: Shape, batch: Batch, kind: str) -> float:
    """Return the arithmetic a step needs: two operations a weight and token, and attention.

    With frozen weights a backward pass costs about as much as the forward pass (gradients of
    activations only). Recomputation is not counted, so checkpointing lowers the share of peak.
    """
    forward = shape.forward_flops([batch.length])
    texts = batch.queries * (1 + batch.passages)
    reasoning = batch.queries if kind == "redapter" else 0
    return float(forward) * (2 * texts + reasoning)


def measure(shape: Shape, setting: Setting, batch: Batch, options: Any) -> dict[str, Any]:
    """Return the figures of one setting, or `{"fits": False}`."""
    device = options.device
    on_gpu = device.startswith("cuda")
    try:
        model = make_model(shape, setting, device)
        loss = RedapterLoss(
            model,
            LossOptions(kind=setting.kind, warmup_steps=0),
            mini_batch_size=setting.mini_batch,
        )
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4)
        rows = [batch.queries, batch.queries * batch.passages]
        if setting.kind == "redapter":
            rows.insert(1, batch.queries)
        columns = [
            torch.randint(0, shape.vocabulary, (count, batch.length), device=device)
            for count in rows
        ]
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()

        def step() -> float:
            start = time.perf_counter()
            features = [
                {"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in columns
            ]
            loss(features).backward()
            optimizer.step()
            optimizer.zero_grad()
            if on_gpu:
                torch.cuda.synchronize()
            return time.perf_counter() - start

        step()
        with Busy(device) as busy:
            seconds = statistics.median(step() for _ in range(options.steps))
    except torch.cuda.OutOfMemoryError:
        return {"fits": False}
    flops = flops_a_step(shape, batch, setting.kind)
    return {
        "fits": True,
        "seconds": seconds,
        "tokens_per_s": sum(rows) * batch.length / seconds,
        "tflops": flops / seconds / 1e12,
        "busy": statistics.mean(busy.samples) if busy.samples else None,
        "gib": torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
    }


def row_text(shape: Shape, setting: Setting, found: dict[str, Any], peak: float | None) -> str:
    """Return one line of the table."""
    how = f"| {shape.name} | {setting.kind} | {'yes' if setting.checkpointing else 'no'} "
    how += f"| {setting.mini_batch or 'all'} "
    if not found["fits"]:
        return how + "| does not fit | | | | | |"
    share = f"{100 * found['tflops'] / peak:.0f} %" if peak else "–"
    busy = "–" if found["busy"] is None else f"{found['busy']:.0f} %"
    gib = "–" if found["gib"] is None else f"{found['gib']:.1f}"
    return how + (
        f"| {found['seconds']:.3f} | {found['tokens_per_s']:,.0f} | {found['tflops']:.3g} "
        f"| {share} | {busy} | {gib} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", default="qwen3-0.6b,qwen3-8b", help=", ".join(SHAPES))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    options = parser.parse_args()
    on_gpu = options.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        sys.exit("torch sees no GPU; check the script with: --shapes tiny --device cpu --steps 1")
    name = torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})"
    peak = next((value for key, value in PEAK_TFLOPS.items() if key in name), None)
    lines = []
    for shape in (SHAPES[each] for each in options.shapes.split(",")):
        batch = Batch(length=32) if shape.name == "tiny" else Batch()
        for setting in SETTINGS:
            found = measure(shape, setting, batch, options)
            lines.append(row_text(shape, setting, found, peak))
            print(lines[-1], flush=True)
            if on_gpu:
                torch.cuda.empty_cache()
    table = "\n".join(lines)
    page = f"""# Training steps on one GPU: {name}

8 queries × 16 passages, 512 tokens each (`tiny`: 32), LoRA rank 32, bfloat16, random weights;
median of {options.steps} steps. TFLOP/s count what the step needs, without recomputation; the share
is of the dense bfloat16 peak{f" ({peak:,.0f} TFLOP/s)" if peak else ", which is not known here"}.

| shape | loss | checkpointed | at a time | step, s | tokens/s | TFLOP/s | of peak | busy | GiB |
|---|---|---|--:|--:|--:|--:|--:|--:|--:|
{table}

Python {platform.python_version()}, torch {torch.__version__}, transformers \
{version("transformers")}, peft {version("peft")}. Made by `python benchmarks/gpu_train.py`.
"""
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
