"""Audit a training file against benchmark tasks: one pass over the file, two over the tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.core.protocols import Reporter
from harness.core.types import Corpus, Task
from remixer.audit.contamination import (
    Benchmark,
    BenchmarkIndex,
    BenchmarkText,
    Contamination,
    benchmark_of,
    benchmark_texts,
)
from remixer.audit.contradictions import count_between, count_elsewhere
from remixer.audit.measures import MEASURES, LimitViolation, Measure, Tally, limit_violations
from remixer.audit.reader import count_lines, read_audit_rows, training_files
from remixer.audit.scan import AuditSampling, AuditTarget, Scan, Scanner, by_task
from remixer.audit.triviality import (
    SampleScorer,
    candidate_pool,
    count_embedded,
    count_ranks,
    count_shared_shingles,
    count_sources,
)
from remixer.near_duplicates.minhash import make_hasher


@dataclass(frozen=True, slots=True)
class AuditTools:
    """Dependencies of an audit.

    Each of `tasks` loads a task that the data is compared with, without its corpus if that is not
    available; one is loaded at a time, twice. `corpus` loads the documents of rows whose task is
    none of these. `scorer` is an embedder, or `None`.
    """

    reporter: Reporter
    tasks: Sequence[Callable[[], Task]] = ()
    scorer: SampleScorer | None = None
    corpus: Callable[[], Task] | None = None


@dataclass(frozen=True, slots=True)
class RankedSample:
    """Sizes of a task's sample and of the pool it was ranked in, and whether that is a corpus."""

    rows: int
    documents: int
    is_corpus: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit. `met` maps (benchmark, part of a row, kind) to ids of texts found."""

    files: tuple[str, ...]
    tally: Tally
    benchmarks: tuple[Benchmark, ...]
    met: Mapping[tuple[str, str, str], set[str]]
    ranked: Mapping[str, RankedSample]
    measures: tuple[Measure, ...]
    sampling: AuditSampling
    passages: int
    embedder: str

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(self.tally.tasks.values())

    @property
    def violations(self) -> tuple[LimitViolation, ...]:
        """Return the limits that are exceeded."""
        return limit_violations(self.tally, self.measures)


def audit(
    path: Path,
    tools: AuditTools,
    sampling: AuditSampling,
    measures: tuple[Measure, ...] = MEASURES,
) -> Audit:
    """Audit a training file, a run's folder, or a folder of training files.

    Two passes over the tasks, one over the file (a second if rows may contradict each other).
    Memory grows with the rows (about 2 KB each), the distinct passages (about 250 bytes each) and
    the sample; texts of other rows are not kept.
    Raises `BadInput` for a file that cannot be read, and what loading tasks raises.
    """
    files = training_files(path)
    hasher = make_hasher(sampling.seed)
    benchmarks, texts = _benchmarks(tools)
    index = BenchmarkIndex(texts, hasher)
    tally = Tally()
    contamination = Contamination(benchmarks, tally)
    with_documents = frozenset(benchmark.name for benchmark in benchmarks if benchmark.documents)
    with_corpus = with_documents if tools.corpus is None else None
    scanner = Scanner(AuditTarget(index, hasher, contamination, with_corpus), sampling, tally)
    total = sum(map(count_lines, files))
    names = [benchmark.name for benchmark in benchmarks]
    with tools.reporter.bar("reading", total, "rows") as advance:
        scan = scanner.scan(read_audit_rows(files, names), advance)
    groups = count_between(scan.facts, scan.query_bands, scan.passages, tally)
    read_again = partial(read_audit_rows, files, names)
    count_elsewhere(scan.facts, groups, scan.passages, tally, read_again)
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


def _benchmarks(tools: AuditTools) -> tuple[list[Benchmark], list[tuple[BenchmarkText, str]]]:
    """Return the tasks, and all their texts that training data must not hold."""
    benchmarks: list[Benchmark] = []
    texts: list[tuple[BenchmarkText, str]] = []
    for load in tools.tasks:
        task = load()
        benchmarks.append(benchmark_of(task))
        texts += benchmark_texts(task)
    return benchmarks, texts


def _trivialities(
    scan: Scan, benchmarks: Sequence[Benchmark], scanner: Scanner, tools: AuditTools
) -> dict[str, RankedSample]:
    """Rank each task's sample, in its corpus if that is available."""
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
        pool = candidate_pool(corpus, sampled, sample.passages.items(), passages)
        count_sources(rows, corpus, scan.passages.keys, tally)
        count_ranks(sampled, pool, tally, tools.reporter)
        count_shared_shingles(sampled, pool, tally)
        if tools.scorer is not None:
            wording = task.prompt_fields if task is not None else None
            count_embedded(sampled, tools.scorer, wording, tally, tools.reporter)
        ranked[name] = RankedSample(len(sampled), len(pool.texts), pool.is_corpus)
    return ranked
