"""The audit of a training file, ours or a stranger's: what is wrong with it, counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.core.protocols import Reporter
from harness.core.types import Corpus, Task
from remixer.audit_contamination import Contamination
from remixer.audit_duplicates import count_between
from remixer.audit_elsewhere import count_elsewhere
from remixer.audit_file import count_lines, read_audit_rows, training_files
from remixer.audit_measures import MEASURES, Measure
from remixer.audit_minhash import make_hasher
from remixer.audit_references import (
    Benchmark,
    Reference,
    ReferenceIndex,
    benchmark_of,
    reference_texts,
)
from remixer.audit_scan import Against, Sampling, Scan, Scanner, by_task
from remixer.audit_tally import Broken, Tally, broken_limits
from remixer.audit_triviality import (
    count_embedded,
    count_ranks,
    count_shared_runs,
    count_sources,
    make_ground,
)
from remixer.scorers import Scorer


@dataclass(frozen=True, slots=True)
class AuditTools:
    """What an audit works with.

    Each of `tasks` loads a task or folder that the data is held against, without its corpus where
    that is not at hand; one is loaded at a time, twice. `corpus` loads the documents of rows whose
    task is none of these. `scorer` is an embedder, or `None`.
    """

    reporter: Reporter
    tasks: Sequence[Callable[[], Task]] = ()
    scorer: Scorer | None = None
    corpus: Callable[[], Task] | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a task's sample was ranked among: rows, documents, and whether these are a corpus."""

    rows: int
    documents: int
    at_hand: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `met` maps (benchmark, part of a row, kind) to the ids met."""

    files: tuple[str, ...]
    tally: Tally
    benchmarks: tuple[Benchmark, ...]
    met: Mapping[tuple[str, str, str], set[str]]
    ranked: Mapping[str, Ranked]
    measures: tuple[Measure, ...]
    sampling: Sampling
    passages: int
    embedder: str

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(self.tally.tasks.values())

    @property
    def broken(self) -> tuple[Broken, ...]:
        """Return the limits that are passed."""
        return broken_limits(self.tally, self.measures)


def audit(
    path: Path,
    tools: AuditTools,
    sampling: Sampling,
    measures: tuple[Measure, ...] = MEASURES,
) -> Audit:
    """Audit a training file, a run's folder, or a folder of training files.

    Two passes over the tasks, one over the file (a second where rows seem to contradict each
    other). Rows are let go as they pass; what is kept grows
    with the rows (about 2 KB each), the distinct passages (about 250 bytes each) and the sample.
    Raises `BadInput` for a file that cannot be read, and what loading tasks raises.
    """
    files = training_files(path)
    hasher = make_hasher(sampling.seed)
    benchmarks, references = _references(tools)
    index = ReferenceIndex(references, hasher)
    tally = Tally()
    contamination = Contamination(benchmarks, tally)
    held = frozenset(benchmark.name for benchmark in benchmarks if benchmark.documents)
    with_corpus = held if tools.corpus is None else None
    scanner = Scanner(Against(index, hasher, contamination, with_corpus), sampling, tally)
    total = sum(map(count_lines, files))
    names = [benchmark.name for benchmark in benchmarks]
    with tools.reporter.bar("reading", total, "rows") as advance:
        scan = scanner.scan(read_audit_rows(files, names), advance)
    groups = count_between(scan.facts, scan.query_bands, scan.passages, tally)
    again = partial(read_audit_rows, files, names)
    count_elsewhere(scan.facts, groups, scan.passages, tally, again)
    ranked = _trivialities(scan, benchmarks, scanner, tools)
    return Audit(
        files=tuple(file.name for file in files),
        tally=tally,
        benchmarks=tuple(benchmarks),
        met=dict(contamination.met),
        ranked=ranked,
        measures=measures,
        sampling=sampling,
        passages=len(scan.passages),
        embedder=tools.scorer.name if tools.scorer is not None else "",
    )


def _references(tools: AuditTools) -> tuple[list[Benchmark], list[tuple[Reference, str]]]:
    """Return the tasks, and all of their texts that training data must not hold."""
    benchmarks: list[Benchmark] = []
    texts: list[tuple[Reference, str]] = []
    for load in tools.tasks:
        task = load()
        benchmarks.append(benchmark_of(task))
        texts += reference_texts(task)
    return benchmarks, texts


def _trivialities(
    scan: Scan, benchmarks: Sequence[Benchmark], scanner: Scanner, tools: AuditTools
) -> dict[str, Ranked]:
    """Rank each task's sample, its corpus loaded where it is at hand."""
    tally, passages = scanner.tally, scanner.sampling.passages
    loaders = {
        benchmark.name: load for benchmark, load in zip(benchmarks, tools.tasks, strict=True)
    }
    ranked = {}
    for name, rows in by_task(scan.facts).items():
        load = loaders.get(name, tools.corpus)
        task = load() if load is not None else None
        corpus: Corpus | None = task.corpus if task is not None else None
        sample = scan.samples[name]
        sampled = sample.rows.items()
        ground = make_ground(corpus, sampled, sample.passages.items(), passages)
        count_sources(rows, corpus, scan.passages.keys, tally)
        count_ranks(sampled, ground, tally, tools.reporter)
        count_shared_runs(sampled, ground, tally)
        if tools.scorer is not None:
            wording = task.wording if task is not None else None
            count_embedded(sampled, tools.scorer, wording, tally, tools.reporter)
        ranked[name] = Ranked(len(sampled), len(ground.texts), ground.at_hand)
    return ranked
