"""Which rows make up each step, and which of their passages: seeded, alike on any machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.errors import BadInput
from redapter.config import BatchConfig
from redapter.data import Example

_ORDER, _DRAW = 1, 2
"""Keep the two random streams of a seed apart."""


@dataclass(frozen=True, slots=True)
class Step:
    """One global batch: `rows` index the examples; every row gives `group_size` passages."""

    task: str
    epoch: int
    rows: tuple[int, ...]
    group_size: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One row of a step with its texts drawn: the first passage is the positive."""

    row: int
    query: str
    reasoning: str
    passages: tuple[str, ...]
    difficulty: float


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The steps of an epoch in order, and how many rows of each task its short tail leaves out."""

    steps: tuple[Step, ...]
    left_out: dict[str, int]


def plan_epoch(
    examples: Sequence[Example], batch: BatchConfig, *, seed: int, epoch: int
) -> StepPlan:
    """Return one epoch's steps: rows shuffled within their task, cut, and the steps shuffled.

    A step holds `batch_size * batch.devices` rows of one task with one group size; the tail that
    does not fill one is left out, or with `drop_last` off kept as far as it divides over the
    devices (2 rows at least). Depends on the arguments only, not on the number of processes.
    """
    groups: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        task = example.task if batch.one_task else ""
        groups[task, example.group_size, example.batch_size].append(index)
    rng = np.random.default_rng((_ORDER, seed, epoch))
    steps: list[Step] = []
    left_out: dict[str, int] = defaultdict(int)
    for (task, group_size, batch_size), members in sorted(groups.items()):
        size = batch_size * batch.devices
        order = [members[at] for at in rng.permutation(len(members))]
        whole = len(order) // size * size
        cuts = [order[start : start + size] for start in range(0, whole, size)]
        tail = order[whole:]
        kept = len(tail) // batch.devices * batch.devices
        if not batch.drop_last and kept >= 2:
            cuts.append(tail[:kept])
            tail = tail[kept:]
        left_out[task] += len(tail)
        steps.extend(Step(task, epoch, tuple(cut), group_size) for cut in cuts)
    mixed = tuple(steps[at] for at in rng.permutation(len(steps)))
    return StepPlan(mixed, {task: rows for task, rows in left_out.items() if rows})


def plan_run(
    examples: Sequence[Example], batch: BatchConfig, *, seed: int, epochs: int, max_steps: int
) -> StepPlan:
    """Return all steps of a run, epoch after epoch, cut at `max_steps` (0: not cut).

    Raises `BadInput` when no task has enough rows for one step.
    """
    plans = [plan_epoch(examples, batch, seed=seed, epoch=epoch) for epoch in range(epochs)]
    steps = tuple(step for plan in plans for step in plan.steps)
    if not steps:
        largest = max(example.batch_size for example in examples) * batch.devices
        raise BadInput(
            f"no step can be made: {len(examples)} rows, but a step takes up to {largest} rows of "
            "one task",
            fix="Lower batch.size or batch.devices, or keep short batches: "
            "--set batch.drop_last=false.",
        )
    return StepPlan(steps[: max_steps or None], plans[0].left_out)


def draw(example: Example, row: int, step: Step, *, seed: int) -> Drawn:
    """Return a row's texts for one epoch: one positive, `group_size - 1` negatives.

    Negatives are drawn without replacement from the row's list, which is repeated whole as often
    as needed when it is too short (the released code's way). Seeded by run, epoch and row.
    """
    rng = np.random.default_rng((_DRAW, seed, step.epoch, row))
    positive = example.pos[int(rng.integers(len(example.pos)))]
    needed = step.group_size - 1
    negatives: tuple[str, ...] = ()
    if needed:
        repeats = -(-needed // len(example.neg))
        pool = rng.permutation(len(example.neg) * repeats)[:needed]
        negatives = tuple(example.neg[int(at) % len(example.neg)] for at in pool)
    return Drawn(row, example.query, example.reasoning, (positive, *negatives), example.difficulty)


def share(step: Step, rank: int, processes: int) -> tuple[int, ...]:
    """Return the rows of a step that one of several processes embeds, in order.

    Raises `BadInput` when the step does not divide over the processes.
    """
    size, rest = divmod(len(step.rows), processes)
    if rest or not size:
        raise BadInput(
            f"a step of {len(step.rows)} rows does not divide over {processes} processes",
            fix="Start a number of processes that divides batch.devices.",
        )
    return step.rows[rank * size : (rank + 1) * size]


class ShareSampler:
    """A batch sampler for accelerate: each step's shares one after another, in rank order.

    accelerate hands batch number i to process i mod W, so each process meets its share of every
    step. Yields lists of (step number, row).
    """

    batch_size = None
    drop_last = False

    def __init__(self, steps: Sequence[Step], processes: int) -> None:
        """Check that every step divides over the processes (`BadInput`)."""
        self.steps = steps
        self.processes = processes
        for size in sorted({len(step.rows) for step in steps}):
            share(Step("", 0, tuple(range(size)), 1), 0, processes)

    def __len__(self) -> int:
        """Return the number of shares over all processes."""
        return len(self.steps) * self.processes

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield each process's share of each step."""
        for number, step in enumerate(self.steps):
            for rank in range(self.processes):
                yield [(number, row) for row in share(step, rank, self.processes)]
