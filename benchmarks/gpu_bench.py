"""Ten minutes on one GPU: encoding, a training step, reranking, FAISS; goes on where it stopped.

    python benchmarks/gpu_bench.py [--minutes 10]
    python benchmarks/gpu_bench.py --device cpu -o FILE.json      # tiny shapes, to check it

Each part is a process of its own with random weights; nothing is downloaded. A part is written into
the file as soon as it is there, and a later run on the same device does only what is missing or
failed. A part begins only while time is left, and is stopped when there is none. Utilisation is the
arithmetic that the texts need over 790 TFLOP/s, what an H200 reaches in bfloat16; wanted: 0.55.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from gpu_shapes import SHAPES

RESULTS = Path(__file__).resolve().parent / "results" / "bench-gpu.json"
REACH = 790e12
PARTS = (
    "encode:qwen3-0.6b", "encode:qwen3-4b", "encode:qwen3-8b", "train:qwen3-0.6b",
    "rerank:qwen3-0.6b", "faiss:flat",
)  # fmt: skip
TEXTS = {"qwen3-0.6b": 8192, "qwen3-4b": 4096, "qwen3-8b": 2048, "tiny": 32}
MARK = "MEASURED "


def encode(shape: str, device: str) -> dict[str, Any]:
    """Return what encoding came to, and its utilisation."""
    import gpu_encode

    longest = 256 if shape == "tiny" else gpu_encode.LONGEST
    options = Namespace(
        device=device, texts=TEXTS[shape], longest=longest, batch_tokens=0, work=None
    )
    found = gpu_encode.measure(SHAPES[shape], options)
    return {**asdict(found), "utilisation": found.flops / found.seconds / REACH}


def train(shape: str, device: str) -> dict[str, Any]:
    """Return what a step of the released recipe came to."""
    import gpu_train

    batch = gpu_train.Batch(length=32) if shape == "tiny" else gpu_train.Batch()
    return gpu_train.measure(
        SHAPES[shape], gpu_train.Setting(), batch, Namespace(device=device, steps=3)
    )


def rerank(shape: str, device: str) -> dict[str, Any]:
    """Return pairs a second of a cross-encoder with one label on such a backbone."""
    import gpu_encode
    import torch
    from transformers import Qwen3ForSequenceClassification

    from models.backends.cross_encoder import CrossEncoderReranker, LocalOptions
    from models.rerankers.find import find_reranker

    size, count = SHAPES[shape], 64 if shape == "tiny" else 4096
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        gpu_encode.write_model(size, folder, device, torch.bfloat16)
        for each in ("modules.json", "1_Pooling/config.json"):
            (folder / each).unlink()
        config = size.config()
        config.num_labels, config.pad_token_id = 1, 0
        torch.manual_seed(0)
        with torch.device(device):
            network = Qwen3ForSequenceClassification._from_config(config, dtype=torch.bfloat16)
        network.save_pretrained(folder)
        scorer = CrossEncoderReranker(find_reranker(str(folder)), LocalOptions(device, 512))
        texts = gpu_encode.make_texts(size, count, 480)
        pairs = [(f"w1 w2 w{at % 9}", text) for at, text in enumerate(texts)]
        scorer.scores(pairs[:16])
        start = time.perf_counter()
        scores = scorer.scores(pairs)
        seconds = time.perf_counter() - start
    if not np.isfinite(np.asarray(scores)).all():
        raise ValueError("a score is not finite")
    return {"pairs": count, "seconds": seconds, "pairs_per_s": count / seconds}


def faiss_flat(_: str, device: str) -> dict[str, Any]:
    """Return seconds of FAISS's exact search and of rebench's, whose best scores must agree."""
    import faiss

    from harness.search.dense import DenseSearch, search_dense

    on_gpu = device.startswith("cuda")
    documents, dimension, queries, k = (1_000_000, 1024, 500, 100) if on_gpu else (5000, 64, 20, 10)
    rng = np.random.default_rng(0)
    rows, asked = (
        rng.standard_normal((n, dimension), dtype=np.float32) for n in (documents, queries)
    )
    index: Any = faiss.IndexFlatIP(dimension)
    if on_gpu:
        index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    index.add(rows)
    index.search(asked[:2], k)
    start = time.perf_counter()
    theirs = index.search(asked, k)[0]
    seconds = time.perf_counter() - start
    ids = [f"d{row}" for row in range(documents)]
    named = [(str(row), frozenset[str]()) for row in range(queries)]
    how = DenseSearch("torch", device)
    search_dense(asked[:2], rows[:1000], ids[:1000], named[:2], k, how)
    start = time.perf_counter()
    run = search_dense(asked, rows, ids, named, k, how)
    ours = time.perf_counter() - start
    best = np.stack([run.rankings[name].scores for name, _ in named])
    np.testing.assert_allclose(best[:, :10], theirs[:, :10], rtol=2e-2)
    return {"documents": documents, "queries": queries, "faiss_s": seconds, "rebench_s": ours}


WORK = {"encode": encode, "train": train, "rerank": rerank, "faiss": faiss_flat}


def device_name(device: str) -> str:
    """Return the device's own name; leaves with a sentence where torch sees no GPU."""
    import torch

    if not device.startswith("cuda"):
        return "CPU"
    if not torch.cuda.is_available():
        sys.exit("torch sees no GPU; check the script with: --device cpu -o FILE.json")
    return torch.cuda.get_device_name()


def run_part(part: str, device: str, seconds: float) -> dict[str, Any]:
    """Run a part in a process of its own, and stop it when the time is over."""
    command = [sys.executable, __file__, "--part", part, "--device", device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped after {seconds:.0f} s: the time was over"}
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        return {"failed": (done.stderr.strip().splitlines() or ["nothing was said"])[-1][:200]}
    found: dict[str, Any] = json.loads(lines[0].removeprefix(MARK))
    return found


def main() -> None:
    """Measure the parts that are missing, each written at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.part:
        kind, _, shape = options.part.partition(":")
        print(MARK + json.dumps(WORK[kind](shape, options.device)))
        return
    end = time.monotonic() + 60 * options.minutes
    name = device_name(options.device)
    kept = json.loads(options.output.read_text("utf-8")) if options.output.exists() else {}
    parts = kept.get("parts", {}) if kept.get("device") == name else {}
    on_gpu = options.device.startswith("cuda")
    for part in PARTS if on_gpu else ("encode:tiny", "train:tiny", "rerank:tiny", "faiss:flat"):
        left = end - time.monotonic()
        if left <= 0:
            break
        if part in parts and "failed" not in parts[part]:
            continue
        parts[part] = run_part(part, options.device, left)
        print(part, parts[part], flush=True)
        text = json.dumps({"device": name, "parts": parts}, indent=1) + "\n"
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
