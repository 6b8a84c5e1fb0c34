"""Values of stored entries by any metric: those that are stored, and those derived from the run.

An entry holds BRIGHT's 25 measures. Ceilings, other cut-offs (recall@20) and values of one fold
are made from its stored run and judgements when somebody asks, and never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.core.errors import BadInput, RebenchError, StoreError
from harness.core.types import Run, Task
from harness.data.folds import FOLDS, check_fold, only_fold
from harness.data.trec import read_run
from harness.metrics.headroom import CEILING_DEPTHS, CUT, run_depth
from harness.metrics.names import needs_aspects, parse_metric
from harness.metrics.score import score
from results.judgements import load_judgements
from results.schema import Entry
from results.store import ResultStore

HEADROOM = (
    f"ndcg@{CUT}",
    *(f"ceiling@{depth}" for depth in CEILING_DEPTHS),
    *(f"recall@{depth}" for depth in CEILING_DEPTHS),
)
"""What headroom is told by: the score, its ceilings, and the recall of the candidates."""


class NoAspects(BadInput):
    """A metric of aspects is asked for on a task that has none."""

    def __init__(self, metric: str, task: str) -> None:
        super().__init__(
            f"{metric} is for tasks whose documents have aspects, and {task} has none",
            fix="Take another metric, or --tasks bright-pro.",
        )


class EntryReader:
    """Reads values of a store's entries, of all queries or of one fold; each run at most once.

    Methods raise `StoreError` where a run, per-query file or judgement cannot be read, and
    `BadInput` for a fold that does not exist or holds none of a task's queries, and for metrics
    of aspects that a task does not have.
    """

    def __init__(self, store: ResultStore, fold: int | None = None) -> None:
        self.store = store
        self.fold = None if fold is None else check_fold(fold)
        self._judgements: dict[str, Task] = {}
        self._values: dict[tuple[str, str], Mapping[str, float]] = {}
        self._depths: dict[str, int] = {}

    def values(self, entry: Entry, metric: str) -> Mapping[str, float]:
        """Return query id -> value of a metric, of the reader's fold."""
        found = self._all_values(entry, metric)
        if self.fold is None:
            return found
        cut = only_fold(found, entry.task.name, self.fold)
        if not cut:
            raise BadInput(
                f"fold {self.fold} holds none of the {len(found)} queries of {entry.task.name}",
                fix=f"Take another of the {FOLDS} folds, or leave the task out with --tasks.",
            )
        return cut

    def with_metrics(self, entry: Entry, metrics: Iterable[str]) -> Entry:
        """Return an entry whose `metrics` hold these too, all as means over the reader's fold."""
        wanted = tuple(dict.fromkeys(metrics))
        if self.fold is None and all(name in entry.metrics for name in wanted):
            return entry
        self._derive(entry, [name for name in wanted if name not in entry.metrics])
        kept = {} if self.fold is not None else dict(entry.metrics)
        for name in wanted:
            values = self.values(entry, name)
            kept[name] = math.fsum(values.values()) / len(values)
        return replace(entry, metrics=kept)

    def depth(self, entry: Entry) -> int:
        """Return how many documents the longest ranking of an entry's run holds."""
        if entry.identity_hash not in self._depths:
            self._depths[entry.identity_hash] = run_depth(self.run(entry))
        return self._depths[entry.identity_hash]

    def run(self, entry: Entry) -> Run:
        """Return an entry's run once its hash is checked."""
        self.store.run_text(entry)
        run = read_run(self.store.run_path(entry))
        self._depths[entry.identity_hash] = run_depth(run)
        return run

    def judgements(self, entry: Entry) -> Task:
        """Return the judgements that an entry was scored on."""
        ground = entry.task.fingerprint
        if ground not in self._judgements:
            self._judgements[ground] = load_judgements(self.store.root, ground)
        return self._judgements[ground]

    def _all_values(self, entry: Entry, metric: str) -> Mapping[str, float]:
        """Return the values of all queries: as stored, or derived."""
        key = (entry.identity_hash, metric)
        if key not in self._values:
            if metric in entry.metrics:
                self._values[key] = self.store.values(entry, metric)
            else:
                self._derive(entry, [metric])
        return self._values[key]

    def _derive(self, entry: Entry, metrics: Sequence[str]) -> None:
        """Score an entry's run by some metrics that are not stored."""
        missing = [name for name in metrics if (entry.identity_hash, name) not in self._values]
        if not missing:
            return
        for name in filter(lambda each: needs_aspects(parse_metric(each)), missing):
            if not self.judgements(entry).aspects:
                raise NoAspects(name, entry.task.name)
        try:
            judged = self.judgements(entry)
            wanted = [parse_metric(name) for name in missing]
            scores = score(self.run(entry), judged.qrels, wanted, judged.aspects)
        except StoreError:
            raise
        except RebenchError as error:
            raise StoreError(
                f"{', '.join(missing)} of {entry.model} on {entry.task.name} cannot be derived "
                f"from its stored run: {error.message}",
                fix="Measure it again with --force.",
            ) from error
        for name in missing:
            self._values[entry.identity_hash, name] = scores.per_query[name]
