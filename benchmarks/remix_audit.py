"""`rebench remix audit` on a file of the released size: time, memory, and what it finds.

    python benchmarks/remix_audit.py                     # 82,000 rows, two shapes of row
    python benchmarks/remix_audit.py --rows 4000         # a quick look

ReasonEmbed's released data has 81,659 rows in 12 tasks, with 12.15 positives and 86.96 negatives a
row; BRIGHT has 1,384 queries, and 20,000 stands for its gold and excluded documents. Texts are
words drawn by Zipf's law, 170 a query and 150 a passage on average. Known numbers of queries and
positives are replaced by a benchmark text, as it is (but for case) or with some of its words
changed; those whose exact Jaccard similarity stays at the limit or above must be found. The whole
audit runs in a process of its own, the BM25 sample included. Where datasketch or rensa is
installed, the time to sign the same texts with it is told too.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from harness.core.progress import SilentReporter
from harness.core.types import Corpus, PromptFields, Query, Task
from remixer.audit.run import AuditTools, audit
from remixer.audit.scan import AuditSampling
from remixer.near_duplicates.minhash import BANDS, NEAR, ROWS, make_hasher
from remixer.near_duplicates.shingles import shingle

RESULTS = Path(__file__).parent / "results" / "remix_audit.md"
TASKS = 12
QUERIES = 1384
DOCUMENTS = 20_000
PLANTED = 400
"""Rows of each kind that hold a benchmark text."""

QUERY_WORDS, PASSAGE_WORDS = 170, 150
VOCABULARY = 200_000
KINDS = (
    "query_equals_query",
    "query_near_duplicate_of_query",
    "positive_equals_gold",
    "positive_near_duplicate_of_gold",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows look: `positives` and `negatives` of each, drawn from `pool` distinct passages."""

    name: str
    positives: int
    negatives: int
    pool: int


SHAPES = (
    Shape("short", 2, 6, 300_000),
    Shape("as released", 12, 87, 400_000),
)


class Writer:
    """Makes texts of Zipf-distributed words, and changed copies of them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        letters = np.array(list("etaoinshrdlcumwfgypbvk"))
        drawn = self.rng.integers(0, len(letters), (VOCABULARY, 9))
        sizes = self.rng.integers(2, 10, VOCABULARY)
        pairs = zip(letters[drawn], sizes, strict=True)
        self.words = ["".join(row[:size]) for row, size in pairs]
        weight = np.arange(1, VOCABULARY + 1, dtype=np.float64) ** -1.07
        self.reach = np.cumsum(weight / weight.sum())

    def texts(self, n: int, mean: int) -> list[str]:
        """Return `n` texts of about `mean` words."""
        sizes = np.maximum(12, self.rng.lognormal(-0.125, 0.5, n) * mean).astype(np.int64)
        places = np.searchsorted(self.reach, self.rng.random(int(sizes.sum())))
        chosen = [self.words[place] for place in places.clip(max=VOCABULARY - 1)]
        ends = np.cumsum(sizes)
        pairs = zip(ends - sizes, ends, strict=True)
        return [" ".join(chosen[first:last]) + "." for first, last in pairs]

    def changed(self, text: str) -> str:
        """Return a text with up to one word in twelve replaced."""
        words = text.split()
        n = int(self.rng.integers(1, max(2, len(words) // 12)))
        for at in self.rng.choice(len(words), n, replace=False):
            words[at] = self.words[int(self.rng.integers(VOCABULARY))]
        return " ".join(words)


def similarity(first: str, second: str) -> float:
    """Return the exact Jaccard similarity of two texts' three-word runs."""
    words = (re.findall(r"\w+", text.lower()) for text in (first, second))
    one, two = ({tuple(w[at : at + 3]) for at in range(len(w) - 2)} for w in words)
    return len(one & two) / len(one | two)


def write_benchmark(writer: Writer, path: Path) -> tuple[list[str], list[str]]:
    """Write the benchmark's texts, and return its queries and documents."""
    queries = writer.texts(QUERIES, QUERY_WORDS)
    documents = writer.texts(DOCUMENTS, PASSAGE_WORDS)
    path.write_text(json.dumps([queries, documents]), encoding="utf-8")
    return queries, documents


def write_rows(
    writer: Writer, shape: Shape, rows: int, texts: tuple[list[str], list[str]], path: Path
) -> dict[str, int]:
    """Write a training file; return, for each kind, how many rows must be found."""
    planted = min(PLANTED, rows // 8)
    places = writer.rng.permutation(rows)[: 4 * planted].reshape(4, planted)
    kind_of = {int(row): KINDS[kind] for kind in range(4) for row in places[kind]}
    expected = dict.fromkeys(KINDS, 0)
    pool = [json.dumps(text) for text in writer.texts(shape.pool, PASSAGE_WORDS)]
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, rows, 1000):
            queries = writer.texts(min(1000, rows - first), QUERY_WORDS)
            for number, query in enumerate(queries, start=first):
                size = shape.positives + shape.negatives
                chosen = [pool[at] for at in writer.rng.choice(shape.pool, size, replace=False)]
                kind = kind_of.get(number)
                asked = query
                if kind is not None:
                    text, counts = planted_text(writer, kind, texts)
                    expected[kind] += counts
                    if kind.startswith("query"):
                        asked = text
                    else:
                        chosen[0] = json.dumps(text)
                positive = ", ".join(chosen[: shape.positives])
                negative = ", ".join(chosen[shape.positives :])
                file.write(
                    f'{{"query": {json.dumps(asked)}, "pos": [{positive}], "neg": [{negative}], '
                    f'"task": "task{number % TASKS}"}}\n'
                )
    return expected


def planted_text(writer: Writer, kind: str, texts: tuple[list[str], list[str]]) -> tuple[str, bool]:
    """Return a benchmark text for a kind of row, and whether it must be found."""
    source = texts[0 if kind.endswith("query") else 1]
    text = source[int(writer.rng.integers(len(source)))]
    if "equals" in kind:
        return text.upper(), True
    other = writer.changed(text)
    return other, NEAR <= similarity(text, other) < 1


def benchmark_task(path: Path) -> Task:
    """Return the benchmark as a task: every document is gold for some query."""
    queries, documents = json.loads(path.read_text(encoding="utf-8"))
    ids = tuple(f"d{number}" for number in range(len(documents)))
    qrels: dict[str, dict[str, int]] = {}
    for number, key in enumerate(ids):
        qrels.setdefault(f"q{number % len(queries)}", {})[key] = 1
    return Task(
        name="benchmark",
        group="synthetic",
        revision="",
        query_set="original",
        queries=tuple(Query(f"q{number}", text) for number, text in enumerate(queries)),
        qrels=qrels,
        excluded={},
        head_metric="ndcg@10",
        prompt_fields=PromptFields("", "", "", "", ""),
        corpus=Corpus(ids, tuple(documents)),
    )


def resident(what: str) -> float:
    """Return this process' resident size now (`VmRSS`) or at its peak (`VmHWM`), in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(rf"{what}:\s+(\d+) kB", status)[0]) / 1024


def run_one(folder: Path, sample: int) -> None:
    """Audit the file of a folder in this process, and print figures as JSON."""
    task = benchmark_task(folder / "benchmark.json")
    before = resident("VmRSS")
    started, processor = perf_counter(), process_time()
    tools = AuditTools(SilentReporter(), [lambda: task])
    found = audit(folder / "rows.jsonl", tools, AuditSampling(rows=sample))
    seconds, processor = perf_counter() - started, process_time() - processor
    figures = {
        "seconds": seconds,
        "processor": processor,
        "before_mib": before,
        "peak_mib": resident("VmHWM"),
        "passages": found.passages,
        "found": {kind: found.tally.get(kind, "all").hits for kind in KINDS},
    }
    print(json.dumps(figures))


def sign_ours(texts: list[str]) -> None:
    """Sign texts as the audit does."""
    make_hasher(42).bands(shingle(texts))


def _runs(texts: list[str]) -> Iterator[list[str]]:
    """Yield the three-word runs of each text, as texts."""
    for text in texts:
        words = re.findall(r"\w+", text.casefold())
        yield [" ".join(words[at : at + 3]) for at in range(len(words) - 2)]


def sign_rensa(texts: list[str]) -> None:
    """Sign texts with rensa's R-MinHash."""
    import rensa

    for runs in _runs(texts):
        signed = rensa.RMinHash(num_perm=BANDS * ROWS, seed=42)
        signed.update(runs)
        signed.digest()


def sign_datasketch(texts: list[str]) -> None:
    """Sign texts with datasketch's MinHash."""
    import datasketch

    for runs in _runs(texts):
        signed = datasketch.MinHash(num_perm=BANDS * ROWS, seed=42)
        signed.update_batch([run.encode() for run in runs])


SIGNERS: dict[str, Callable[[list[str]], None]] = {
    "rebench": sign_ours,
    "rensa": sign_rensa,
    "datasketch": sign_datasketch,
}


def sign(name: str) -> None:
    """Print the microseconds a passage that signing takes in this process."""
    texts = Writer(3).texts(5000, PASSAGE_WORDS)
    SIGNERS[name](texts[:100])
    started = process_time()
    SIGNERS[name](texts)
    print(json.dumps((process_time() - started) / len(texts) * 1e6))


def child(*arguments: str) -> object:
    """Run this script in a process of its own and return the JSON it prints last."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Result:
    """One shape, its file's size in bytes, what had to be found, and the figures of a run."""

    shape: Shape
    size: int
    expected: dict[str, int]
    figures: dict[str, object]


def measure(shape: Shape, rows: int, sample: int) -> Result:
    """Write a file of a shape, audit it in a process of its own, and return what came out."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        writer = Writer(11)
        texts = write_benchmark(writer, folder / "benchmark.json")
        expected = write_rows(writer, shape, rows, texts, folder / "rows.jsonl")
        size = (folder / "rows.jsonl").stat().st_size
        figures = child("--one", str(folder), "--sample", str(sample))
    if not isinstance(figures, dict):
        raise TypeError(figures)
    return Result(shape, size, expected, figures)


def report(results: list[Result], signing: dict[str, float], rows: int, sample: int) -> str:
    """Return the Markdown page."""
    lines = [
        "# Auditing a training file of the released size",
        "",
        f"{rows:,} rows in {TASKS} tasks against {QUERIES:,} queries and {DOCUMENTS:,} documents: "
        f"the whole audit, its BM25 sample of {sample:,} rows a task included. Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, numpy "
        f"{importlib.metadata.version('numpy')}.",
        "",
        "| rows | positives, negatives a row | distinct passages | file, MB | seconds "
        "| processor, s | peak, MiB | before, MiB |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        shape, figures = each.shape, each.figures
        lines.append(
            f"| {shape.name} | {shape.positives}, {shape.negatives} | {figures['passages']:,} "
            f"| {each.size / 1e6:,.0f} | {figures['seconds']:.1f} | {figures['processor']:.1f} "
            f"| {figures['peak_mib']:,.0f} | {figures['before_mib']:,.0f} |"
        )
    lines += [
        "",
        "Before is the resident size with the benchmark's texts and the imports, the rows not yet "
        "read. Found, of the rows that were planted and whose exact similarity is at the limit or "
        "above:",
        "",
        "| rows | " + " | ".join(KINDS) + " |",
        "|---|" + "--:|" * len(KINDS),
    ]
    for each in results:
        found = each.figures["found"]
        if isinstance(found, dict):
            cells = [f"{found[kind]} of {each.expected[kind]}" for kind in KINDS]
            lines.append(f"| {each.shape.name} | {' | '.join(cells)} |")
    versions = {
        name: importlib.metadata.version(name) for name in signing if name != "rebench"
    }  # fmt: skip
    lines += [
        "",
        f"Processor time to cut a passage into runs and sign it with {BANDS * ROWS} hashes:",
        "",
        "| | microseconds a passage |",
        "|---|--:|",
        *(
            f"| {name} {versions.get(name, '')}".rstrip() + f" | {value:.0f} |"
            for name, value in signing.items()
        ),
        "",
        f"Load average when this was made: {os.getloadavg()[0]:.1f}. "
        "Made by `python benchmarks/remix_audit.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=82_000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--shapes", type=int, default=len(SHAPES))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sign", choices=SIGNERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one, options.sample)
        return
    if options.sign:
        sign(options.sign)
        return
    signing = {
        name: float(str(child("--sign", name)))
        for name in SIGNERS
        if name == "rebench" or importlib.util.find_spec(name)
    }
    results = []
    for shape in SHAPES[: options.shapes]:
        results.append(measure(shape, options.rows, options.sample))
        print(results[-1], flush=True)
    page = report(results, signing, options.rows, options.sample)
    print(page)
    if options.rows == 82_000:
        options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
