"""From a pipeline and a task to a measured entry that tells what each stage gave and took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.core.protocols import Reporter
from harness.core.types import Json, RetrievalResult, Run, Task
from harness.evaluate import EvalConfig, Outcome, describe_task, scored_run
from harness.metrics.headroom import ceilings, run_depth
from harness.metrics.names import parse_metric
from harness.metrics.score import score
from harness.pipelines.staged.outputs import StageOutput
from harness.pipelines.staged.run import PipelineRunner
from harness.pipelines.staged.spec import Stage
from harness.pipelines.staged.work import stage_works
from results.schema import identity_hash
from results.work import WORK, Work, on_queries

if TYPE_CHECKING:
    from results.store import ResultStore

CEILINGS = (10, 20, 50, 100)
"""Depths whose ceiling is told of each list, as far as it goes."""

STAGES = "stages"
"""The fact of an entry that holds a table for each stage of its pipeline."""


def evaluate_pipeline(
    runner: PipelineRunner,
    task: Task,
    store: ResultStore,
    config: EvalConfig,
    reporter: Reporter,
) -> Outcome:
    """Run a pipeline on a task and store its entry, or return the one under the same identity.

    The identity holds all settings of all stages and what identifies their models; the entry's
    facts tell of each stage its score, ceilings, seconds, calls, tokens and money. Raises
    `StoreError` if the store cannot be written, and what the stages raise.
    """
    pipeline = runner.pipeline
    facts = describe_task(task)
    identity = runner.identity(task)
    stored = store.find(pipeline.name, task.name, identity_hash(identity, facts, config.k))
    if stored is not None and not config.force:
        return Outcome(stored, reused=True, store=store)
    store.check_writable(pipeline.name, task.name)
    done = runner.run(task)
    works = stage_works(pipeline, done.outputs, len(task.qrels))
    told = [
        stage_facts(stage, done.outputs[stage.name], works[stage.name], task)
        for stage in pipeline.order
    ]
    whole = on_queries(works.values(), len(task.qrels))
    timings = {stage.name: done.outputs[stage.name].seconds for stage in pipeline.order}
    stages: dict[str, Json] = {STAGES: told, **_totals(done.outputs)}
    if whole is not None:
        stages[WORK] = whole.json
    retrieved = RetrievalResult(_cut(done.run, config.k), timings, stages)
    scored = scored_run(pipeline.name, identity, task, retrieved, config, facts)
    for stage in pipeline.order:
        if done.outputs[stage.name].reused:
            reporter.note(f"{pipeline.name} on {task.name}: {stage.name} was there already")
    return scored.outcome(store)


def stage_facts(
    stage: Stage, output: StageOutput, work: Work | None, task: Task
) -> dict[str, Json]:
    """Return what an entry tells of a stage: its lists with score and ceilings, what it took."""
    return {
        "name": stage.name,
        "kind": stage.kind,
        "content": output.content,
        "seconds": output.seconds,
        "reused": output.reused,
        **(
            {"lists": {s: _list_facts(r, task) for s, r in output.lists.items()}}
            if output.lists
            else {"rewritten": len(output.rewrites)}
        ),
        **output.facts,
        **({WORK: work.json} if work is not None else {}),
    }


def _list_facts(run: Run, task: Task) -> dict[str, Json]:
    """Return a list's score by the task's head metric, its depth, and its ceilings."""
    metric = parse_metric(task.head_metric)
    judged = [qid for qid, grades in task.qrels.items() if grades]
    depth = run_depth(run)
    told: dict[str, Json] = {
        task.head_metric: score(run, task.qrels, [metric], task.aspects).means[task.head_metric],
        "depth": depth,
    }
    for cut in CEILINGS if task.head_metric == "ndcg@10" else ():
        if cut <= max(depth, CEILINGS[0]):
            values = ceilings(run, task.qrels, judged, cut)
            told[f"ceiling@{cut}"] = math.fsum(values.values()) / len(values)
    return told


def _totals(outputs: Mapping[str, StageOutput]) -> dict[str, Json]:
    """Return the sums over stages of calls, tokens and money, if any chat model was asked."""
    sums: dict[str, Json] = {}
    for key in ("calls", "prompt_tokens", "reply_tokens", "cost"):
        values = [each.facts[key] for each in outputs.values() if key in each.facts]
        numbers = [value for value in values if isinstance(value, int | float)]
        if numbers:
            sums[key] = sum(numbers)
    return sums


def _cut(run: Run, k: int) -> Run:
    """Return a run whose rankings hold at most `k` documents."""
    from harness.core.types import Ranking

    return Run(
        {
            qid: ranking if len(ranking) <= k else Ranking(ranking.doc_ids[:k], ranking.scores[:k])
            for qid, ranking in run.rankings.items()
        }
    )
