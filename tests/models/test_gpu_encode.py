"""The GPU benchmarks' arithmetic against torch's own count, and their run without a GPU."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return `benchmarks/gpu_encode.py` as a module; it and its neighbour leave no trace."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("gpu_encode", "gpu_shapes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import gpu_encode

    return gpu_encode


@pytest.mark.parametrize("name", ["tiny", "other"])
@pytest.mark.parametrize("length", [1, 37])
def test_arithmetic_is_what_torch_counts(benchmark: ModuleType, name: str, length: int) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel

    other = benchmark.Shape("other", 48, 3, 6, 2, 80, head_dim=16, vocabulary=64)
    shape = {**benchmark.SHAPES, "other": other}[name]
    network = AutoModel.from_config(shape.config(), attn_implementation="eager")
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        network(input_ids=torch.ones(1, length, dtype=torch.int64))
    # Plain attention multiplies every pair, also those that a decoder masks.
    pair = 4 * shape.layers * shape.heads * shape.head_dim
    unseen = sum(1 for token in range(length) for seen in range(length) if seen > token)
    expected = shape.forward_flops([length]) + pair * unseen
    assert counter.get_total_flops() == expected


def test_weights_that_multiply_are_those_of_the_linear_layers(benchmark: ModuleType) -> None:
    import torch
    from transformers import AutoModel

    for shape in benchmark.SHAPES.values():
        with torch.device("meta"):
            network = AutoModel.from_config(shape.config())
        linear = [each for each in network.modules() if isinstance(each, torch.nn.Linear)]
        assert sum(each.weight.numel() for each in linear) == shape.multiplied
    # 8.2 billion weights in all, of them 0.6 billion embeddings and as many of the head.
    assert benchmark.SHAPES["qwen3-8b"].multiplied == pytest.approx(6.95e9, rel=0.01)


def test_lengths_are_mixed(benchmark: ModuleType) -> None:
    lengths = benchmark.lengths_like_bright(20_000, 8192, np.random.default_rng(3))
    assert lengths.min() >= benchmark.LEAST
    assert 7000 < lengths.max() <= 8192
    assert np.median(lengths) == pytest.approx(benchmark.MEDIAN, rel=0.1)
    assert 0.01 < (lengths > 2048).mean() < 0.05


def test_a_run_without_a_gpu(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "page.md"
    flags = ["--shape", "tiny", "--device", "cpu", "--texts", "12", "--longest", "96"]
    monkeypatch.setattr(sys, "argv", ["gpu_encode.py", *flags, "-o", str(output)])
    with pytest.raises(SystemExit) as stop:
        benchmark.main()
    assert stop.value.code == 0
    text = output.read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| tiny \|.*$", text, re.MULTILINE)
    cells = [cell.strip().replace(",", "").removesuffix(" %") for cell in row.split("|")[2:-1]]
    texts, tokens, padding, rate, whole, per_second, flops, reach, share = map(float, cells[:9])
    lengths = benchmark.lengths_like_bright(12, 96, np.random.default_rng(0))
    assert (texts, tokens) == (12, lengths.sum())
    assert padding >= 0
    assert 0 < whole <= rate
    # The arithmetic a token needs is that of the formula, whatever the time was.
    needed = benchmark.SHAPES["tiny"].forward_flops(lengths.tolist())
    assert flops * 1e12 / rate == pytest.approx(needed / tokens, rel=0.02)
    assert share == pytest.approx(100 * flops / reach, abs=0.6)
    assert per_second == pytest.approx(whole * texts / tokens, rel=0.02, abs=0.1)
    assert cells[9] == "–"


def test_the_ten_minutes_go_on_where_they_stopped(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    parts: dict[str, object] = {name: {"seconds": 1.0} for name in ("encode:tiny", "train:tiny")}
    parts |= {"rerank:tiny": {"seconds": 2.0}, "faiss:flat": {"failed": "stopped"}}
    file.write_text(json.dumps({"device": "CPU", "parts": parts}), encoding="utf-8")
    script = ROOT / "benchmarks" / "gpu_bench.py"
    command = [sys.executable, str(script), "--device", "cpu", "-o", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(file.read_text(encoding="utf-8"))["parts"]
    assert done.stdout.splitlines()[0].startswith("faiss:flat ")
    assert len(done.stdout.splitlines()) == 1
    assert {name: found[name] for name in list(parts)[:3]} == dict(list(parts.items())[:3])
    assert found["faiss:flat"]["faiss_s"] > 0
