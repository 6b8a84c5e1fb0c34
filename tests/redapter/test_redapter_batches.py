"""Steps and draws: one task a step, tails, seeds, sharing between processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BadInput
from redapter.batches import ShareSampler, Step, draw, plan_epoch, plan_run, share
from redapter.config import BatchConfig
from redapter.data import Example

BASE = Example(
    where="rows.jsonl, line 1",
    task="a",
    query="q",
    reasoning="r",
    pos=("p0", "p1", "p2"),
    neg=tuple(f"n{i}" for i in range(6)),
    group_size=4,
    batch_size=3,
    difficulty=1.0,
)


def some_examples(counts: dict[str, int], **changes) -> list[Example]:
    return [replace(BASE, task=task, **changes) for task, n in counts.items() for _ in range(n)]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 25), min_size=1),
    size=st.integers(1, 4),
    devices=st.integers(1, 3),
    drop_last=st.booleans(),
    seed=st.integers(0, 5),
)
def test_every_epoch_uses_each_row_once_or_counts_it_out(counts, size, devices, drop_last, seed):
    examples = some_examples(counts, batch_size=size)
    batch = BatchConfig(devices=devices, drop_last=drop_last)
    plan = plan_epoch(examples, batch, seed=seed, epoch=0)
    used = Counter(row for step in plan.steps for row in step.rows)
    assert all(times == 1 for times in used.values())
    assert len(used) + sum(plan.left_out.values()) == len(examples)
    for step in plan.steps:
        assert {examples[row].task for row in step.rows} == {step.task}
        assert len(step.rows) % devices == 0
        if drop_last:
            assert len(step.rows) == size * devices
    if drop_last:
        for task, n in counts.items():
            assert plan.left_out.get(task, 0) == n % (size * devices)


def test_rows_of_their_own_size_make_their_own_steps():
    examples = [
        *some_examples({"leet": 8}, group_size=2, batch_size=8),
        *some_examples({"pony": 4}, group_size=64, batch_size=2),
        *some_examples({"mixed": 3}, group_size=4),
        *some_examples({"mixed": 3}, group_size=5),
    ]
    plan = plan_epoch(examples, BatchConfig(), seed=1, epoch=0)
    shapes = Counter((step.task, len(step.rows), step.group_size) for step in plan.steps)
    assert shapes == {
        ("leet", 8, 2): 1,
        ("pony", 2, 64): 2,
        ("mixed", 3, 4): 1,
        ("mixed", 3, 5): 1,
    }


def test_seed_and_epoch_change_the_order():
    examples = some_examples({"a": 30, "b": 30})
    batch = BatchConfig()
    first = plan_epoch(examples, batch, seed=1, epoch=0)
    rows = [step.rows for step in first.steps]
    assert plan_epoch(examples, batch, seed=1, epoch=0) == first
    for seed, epoch in ((2, 0), (1, 1)):
        other = [step.rows for step in plan_epoch(examples, batch, seed=seed, epoch=epoch).steps]
        assert other != rows
        assert sorted(map(sorted, other)) != sorted(map(sorted, rows))
    tasks = [step.task for step in first.steps]
    assert tasks not in (sorted(tasks), sorted(tasks, reverse=True))


def test_tasks_mix_only_on_request():
    examples = some_examples({"a": 2, "b": 1})
    plan = plan_epoch(examples, BatchConfig(one_task=False), seed=1, epoch=0)
    assert [sorted(step.rows) for step in plan.steps] == [[0, 1, 2]]


def test_a_run_is_its_epochs_and_may_be_cut():
    examples = some_examples({"a": 9})
    plan = plan_run(examples, BatchConfig(), seed=1, epochs=2, max_steps=0)
    assert [step.epoch for step in plan.steps] == [0, 0, 0, 1, 1, 1]
    assert len(plan_run(examples, BatchConfig(), seed=1, epochs=2, max_steps=4).steps) == 4


def test_too_few_rows_for_a_step_is_said():
    with pytest.raises(BadInput, match=r"2 rows, but a step takes up to 3.*\n.*drop_last=false"):
        plan_run(some_examples({"a": 2}), BatchConfig(), seed=1, epochs=1, max_steps=0)


def test_draws_are_without_replacement_and_seeded():
    step = Step("a", 0, (0,), 4)
    drawn = draw(BASE, 0, step, seed=1)
    assert drawn.passages[0] in BASE.pos
    assert len(set(drawn.passages[1:])) == 3
    assert set(drawn.passages[1:]) <= set(BASE.neg)
    assert draw(BASE, 0, step, seed=1) == drawn
    others = [draw(BASE, row, Step("a", epoch, (row,), 4), seed=seed).passages
              for row, epoch, seed in ((1, 0, 1), (0, 1, 1), (0, 0, 2))]  # fmt: skip
    assert all(passages != drawn.passages for passages in others)


def test_every_passage_is_drawn_in_time():
    seen = Counter(
        text
        for epoch in range(200)
        for text in draw(BASE, 0, Step("a", epoch, (0,), 4), seed=1).passages
    )
    assert set(seen) == {*BASE.pos, *BASE.neg}
    assert all(60 <= seen[text] <= 140 for text in BASE.neg)


@given(held=st.integers(1, 6), needed=st.integers(1, 20))
def test_short_lists_are_repeated_whole(held, needed):
    example = replace(BASE, neg=tuple(f"n{i}" for i in range(held)))
    drawn = draw(example, 0, Step("a", 0, (0,), needed + 1), seed=3)
    times = Counter(drawn.passages[1:])
    assert sum(times.values()) == needed
    assert max(times.values()) <= -(-needed // held)


def test_a_group_of_one_is_the_positive_alone():
    assert len(draw(replace(BASE, neg=()), 0, Step("a", 0, (0,), 1), seed=1).passages) == 1


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_any_number_of_processes_meets_the_same_steps(processes):
    examples = some_examples({"a": 16, "b": 9}, batch_size=2)
    steps = plan_run(examples, BatchConfig(devices=4), seed=1, epochs=1, max_steps=0).steps
    shares = list(ShareSampler(steps, processes))
    assert len(shares) == len(ShareSampler(steps, processes)) == len(steps) * processes
    rebuilt = [
        tuple(row for part in shares[at : at + processes] for _, row in part)
        for at in range(0, len(shares), processes)
    ]
    assert rebuilt == [step.rows for step in steps]
    assert [part[0][0] for part in shares[::processes]] == list(range(len(steps)))


def test_steps_that_do_not_divide_are_refused():
    with pytest.raises(BadInput, match="3 rows does not divide over 2 processes"):
        ShareSampler([Step("a", 0, (0, 1, 2), 4)], 2)
    with pytest.raises(BadInput):
        share(Step("a", 0, (), 4), 0, 2)
