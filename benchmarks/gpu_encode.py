"""Encoding with Qwen3 shapes: tokens a second, and the share of what the card's matmul reaches.

Run on a machine with a GPU: python benchmarks/gpu_encode.py [--shapes NAME,…] [--texts N]
Check it without one:        python benchmarks/gpu_encode.py --shapes tiny --device cpu

Weights are random and nothing is downloaded: a folder in the layout of Qwen3-Embedding is written
to a temporary place (16 GB for qwen3-8b) and read by the project's own backend, as `rebench eval`
would. Texts are as long as BRIGHT's documents tend to be: most some hundred tokens, and whole web
pages up to 8,192. Utilisation is the arithmetic that the texts need (`Shape.forward_flops`,
padding not counted) over the time that encoding took, as a share of the best rate of a plain
matrix product in the same number format on the same device, measured just before. On a GPU the
table is written to benchmarks/results/ under the card's name.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from gpu_shapes import SHAPES, Shape

from harness.cache.batches import EncodingInput, plan_batches
from harness.cache.encode import encode_texts
from harness.cache.keys import distinct_texts
from harness.cli.progress import reporter_for_stderr
from harness.core.types import PromptFields
from models.registry import make_embedder, resolve_model
from models.spec import LoadOptions
from results.environment import environment

RESULTS = Path(__file__).resolve().parent / "results"
LONGEST = 8192
MEDIAN, SPREAD, LEAST, PAGES = 160, 1.0, 8, 0.02
"""Lengths in tokens: log-normal, and a share of whole pages of 2,048 to `LONGEST`. Ours."""
END = "<|endoftext|>"
TARGET = {"qwen3-8b": 0.55}
"""Shape -> utilisation that encoding must reach on a GPU."""
PRODUCTS = {"cuda": (4096, 8192, 16_384), "cpu": (512, 1024)}
"""Sides of the square matrices that are multiplied to see what a device can do."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one shape came to; `flops` is the arithmetic that the texts need.

    `seconds` is encoding alone and `whole` everything, tokenising included. `padded` is the tokens
    that the model saw, `reach` the device's rate of a plain product, `peak` GiB on a GPU.
    """

    texts: int
    tokens: int
    padded: int
    flops: int
    seconds: float
    whole: float
    reach: float
    peak: float | None

    @property
    def utilisation(self) -> float:
        """Return the share of the device's own rate, 0 to 1."""
        return self.flops / self.seconds / self.reach


def write_model(shape: Shape, folder: Path, device: str, dtype: torch.dtype) -> Path:
    """Write random weights, a tokenizer of one token a word, and the list of modules."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    with torch.device(device):
        network = AutoModel.from_config(shape.config(), dtype=dtype)
    network.save_pretrained(folder)
    words = {END: 0, **{f"w{number}": number for number in range(1, shape.vocabulary)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=END))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    # Qwen3-Embedding's tokenizer ends every text so, and the last token is read out.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, 0)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, unk_token=END
    ).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    Pooling(shape.hidden, pooling_mode="lasttoken").save(str(folder / "1_Pooling"))
    kinds = ("Transformer", ""), ("Pooling", "1_Pooling")
    modules = [
        {"idx": place, "name": str(place), "path": path,
         "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate(kinds)
    ]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    return folder


def lengths_like_bright(count: int, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Return lengths in tokens, int64 `[count]`, `LEAST` to `longest`."""
    lengths = rng.lognormal(np.log(MEDIAN), SPREAD, count)
    pages = rng.random(count) < PAGES
    lengths[pages] = rng.uniform(longest / 4, longest, int(pages.sum()))
    return np.clip(lengths, LEAST, longest).astype(np.int64)


def make_texts(shape: Shape, count: int, longest: int) -> list[str]:
    """Return different texts of such lengths; the end token is one of them."""
    rng = np.random.default_rng(0)
    return [
        " ".join(f"w{word}" for word in rng.integers(1, shape.vocabulary, length - 1))
        for length in lengths_like_bright(count, longest, rng)
    ]


def product_rate(device: str, dtype: torch.dtype) -> float:
    """Return operations a second of the best square matrix product, the median of ten each."""
    best = 0.0
    for side in PRODUCTS[device.partition(":")[0]]:
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = []
        for turn in range(13):
            start = time.perf_counter()
            torch.mm(left, right)
            synchronize(device)
            if turn > 2:
                seconds.append(time.perf_counter() - start)
        best = max(best, 2 * side**3 / statistics.median(seconds))
    return best


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def measure(shape: Shape, options: argparse.Namespace) -> Measured:
    """Return the figures of one shape."""
    on_gpu = options.device.startswith("cuda")
    number_format = "bfloat16" if on_gpu else "float32"
    dtype = getattr(torch, number_format)
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = write_model(shape, Path(name), options.device, dtype)
        load = LoadOptions(
            device=options.device, dtype=number_format, max_length=options.longest,
            batch_tokens=options.batch_tokens,
        )  # fmt: skip
        embedder = make_embedder(resolve_model(str(folder), load, {}))
        instruction = embedder.instruction("document", PromptFields("", "", "", "", ""))
        texts = make_texts(shape, options.texts, options.longest)
        # Loaded and warm, and at the longest: what follows is encoding alone.
        warm = [max(texts, key=len), *texts[:8]]
        embedder.encode(warm, role="document", instruction=instruction)
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    reach = product_rate(options.device, dtype)
    source = EncodingInput.of(embedder, "document", instruction)
    found = encode_texts(embedder, texts, source, None, reporter_for_stderr())
    synchronize(options.device)
    counts = embedder.token_counts(texts, "document", instruction)
    batches = plan_batches(distinct_texts(texts), counts, options.longest, embedder.batch_tokens)
    return Measured(
        texts=len(texts),
        tokens=found.encoded_tokens,
        padded=sum(batch.padded for batch in batches),
        flops=shape.forward_flops(np.minimum(counts, options.longest).tolist()),
        seconds=found.encode_seconds,
        whole=found.seconds,
        reach=reach,
        peak=torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
    )


def row_text(shape: Shape, found: Measured) -> str:
    """Return one line of the table."""
    peak = "–" if found.peak is None else f"{found.peak:.1f}"
    return (
        f"| {shape.name} | {found.texts:,} | {found.tokens:,} | "
        f"{100 * (found.padded / found.tokens - 1):.1f} % | {found.tokens / found.seconds:,.0f} | "
        f"{found.tokens / found.whole:,.0f} | {found.texts / found.whole:,.1f} | "
        f"{found.flops / found.seconds / 1e12:.3g} | {found.reach / 1e12:.3g} | "
        f"{100 * found.utilisation:.0f} % | {peak} |"
    )


def page(name: str, lines: list[str], options: argparse.Namespace) -> str:
    """Return the whole result as Markdown."""
    machine = environment()
    rows = "\n".join(lines)
    return f"""# Encoding on {name}

The sentence-transformers backend on random weights, {options.texts:,} texts of up to \
{options.longest:,} tokens each, sorted into batches of \
{options.batch_tokens or "the backend's own number of"} tokens. TFLOP/s count what the texts need; \
`product` is the best rate of a plain matrix product in the same format on the same device, and \
utilisation the share of it. `padding` is what the model saw beyond the texts' tokens.

| shape | texts | tokens | padding | tokens/s | with tokenising | texts/s | TFLOP/s | product | \
utilisation | peak GiB |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}

{machine.get("cpu")}, {os.cpu_count()} cores; torch {torch.__version__}, transformers \
{version("transformers")}, sentence-transformers {version("sentence-transformers")}. Made by \
`python benchmarks/gpu_encode.py`.
"""


def main() -> None:
    """Measure each shape, print, write, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", default="qwen3-0.6b,qwen3-8b", help=", ".join(SHAPES))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--texts", type=int, default=0, help="texts (0: 4,096; tiny: 64)")
    parser.add_argument("--longest", type=int, default=LONGEST, help="tokens of the longest text")
    parser.add_argument("--batch-tokens", type=int, default=0, help="0: the backend's own")
    parser.add_argument("--work", help="where weights are written for the time of the run")
    parser.add_argument("-o", "--output", type=Path, help="on a GPU: results/gpu_encode-CARD.md")
    options = parser.parse_args()
    on_gpu = options.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        sys.exit("torch sees no GPU; check the script with: --shapes tiny --device cpu")
    shapes = [SHAPES[each] for each in options.shapes.split(",")]
    options.texts = options.texts or (4096 if on_gpu else 64)
    name = torch.cuda.get_device_name() if on_gpu else str(environment().get("cpu"))
    lines, missed = [], []
    for shape in shapes:
        found = measure(shape, options)
        lines.append(row_text(shape, found))
        print(lines[-1], flush=True)
        wanted = TARGET.get(shape.name, 0.0) if on_gpu else 0.0
        if found.utilisation < wanted:
            missed.append(f"MISSED: {shape.name}: {found.utilisation:.2f}, {wanted} wanted")
    text = "\n".join([page(name, lines, options), *missed]).rstrip() + "\n"
    print(text)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    output = options.output or (RESULTS / f"gpu_encode-{slug}.md" if on_gpu else None)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
