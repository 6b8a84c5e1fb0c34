"""Linear layers on this processor: PyTorch's own library, oneDNN, and bfloat16.

    python benchmarks/kernels.py [--rounds 15] [-o FILE.md]

Layers of three usual widths over batches of 256 and 2,048 tokens, in each way in turn, with as many
threads as the process may use: wall time, since that is what is waited for. The last line is what
`models.backends.cpu_kernels` measures by itself in a tenth of a second when a model is loaded, and
what it decides.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn.functional import linear

from models.backends.cpu_kernels import cpu_speeds, measured_speeds, onednn_product
from models.devices import limit_threads
from results.environment import environment

SHAPES = ((384, 1536), (768, 3072), (1024, 4096))
TOKENS = (256, 2048)
OUT = Path(__file__).parent / "results" / "kernels.md"


def speeds(tokens: int, width: int, inner: int, rounds: int) -> list[tuple[float, float]]:
    """Return median and best GFLOP/s of float32 in PyTorch, in oneDNN, and of bfloat16."""
    values, weight = torch.randn(tokens, width), torch.randn(inner, width)
    bias = torch.zeros(inner)
    lower = [each.bfloat16() for each in (values, weight, bias)]
    mkldnn = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ways = (
        lambda: linear(values, weight, bias),
        lambda: onednn_product(values, weight, bias),
        lambda: onednn_product(*lower) if mkldnn else linear(*lower),
    )
    seconds: list[list[float]] = [[] for _ in ways]
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for found, call in zip(seconds, ways, strict=True):
                start = time.perf_counter()
                call()
                if turn:
                    found.append(time.perf_counter() - start)
    work = 2 * tokens * width * inner / 1e9
    return [(work / statistics.median(each), work / min(each)) for each in seconds]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("-o", "--output", type=Path, default=OUT)
    arguments = parser.parse_args()
    limit_threads()
    torch.manual_seed(0)
    lines = [
        "# Linear layers on a CPU",
        "",
        "| tokens | layer | torch, float32: median (best) | oneDNN, float32 | bfloat16 |",
        "|--:|---|--:|--:|--:|",
    ]
    for width, inner in SHAPES:
        for tokens in TOKENS:
            cells = speeds(tokens, width, inner, arguments.rounds)
            shown = " | ".join(f"{median:.0f} ({best:.0f})" for median, best in cells)
            lines.append(f"| {tokens:,} | {width:,} to {inner:,} | {shown} |")
    start = time.perf_counter()
    found = measured_speeds(time.perf_counter)
    took = time.perf_counter() - start
    decided = cpu_speeds()
    library = "PyTorch's own library" if decided.prefers_torch else "oneDNN"
    machine = environment()
    lower = "oneDNN's" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "PyTorch's own"
    lines += [
        "",
        f"GFLOP/s, {arguments.rounds} rounds in turn; bfloat16 is {lower}. The probe took "
        f"{1000 * took:.0f} ms: {found.torch:.0f}, {found.onednn:.0f} and {found.bfloat16:.0f}. It "
        f"decides for {library} in float32, and `--dtype auto` is {decided.dtype}.",
        "",
        f"{machine.get('cpu')}, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} "
        f"threads, load at the end {os.getloadavg()[0]:.1f} (this program included); torch "
        f"{version('torch')}. Made by `python benchmarks/kernels.py`.",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
