"""The work of a pipeline's stages, counted whole whether a stage ran now or was kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.pipelines.staged.outputs import StageOutput
from harness.pipelines.staged.pipeline import Pipeline
from harness.pipelines.staged.spec import RerankStage, RetrieveStage, RewriteStage, Stage
from results.work import Work, chat_work, on_queries, rerank_work, retrieval_work

STAGE = "stages"
"""What `Work.kept` calls a stage that was not run."""


def stage_works(
    pipeline: Pipeline, outputs: Mapping[str, StageOutput], queries: int
) -> dict[str, Work | None]:
    """Return the work of each stage on so many queries; `None` where its facts do not tell.

    A collection that two stages search with one model is encoded once: the first of them has it.
    """
    encoded: set[str] = set()
    found: dict[str, Work | None] = {}
    for stage in pipeline.order:
        output = outputs[stage.name]
        work = _work(stage, output, encoded)
        if work is not None:
            kept = (STAGE,) if output.reused else work.kept
            work = replace(work, queries=queries, kept=kept)
        found[stage.name] = work
    return found


def _work(stage: Stage, output: StageOutput, encoded: set[str]) -> Work | None:
    if isinstance(stage, RewriteStage):
        return chat_work(output.facts)
    if isinstance(stage, RerankStage):
        return rerank_work(output.facts)
    if not isinstance(stage, RetrieveStage):
        return Work()
    models = output.facts.get("models")
    parts = []
    for model in stage.models:
        facts = models.get(model) if isinstance(models, Mapping) else None
        part = retrieval_work(facts) if isinstance(facts, Mapping) else None
        if part is not None and model in encoded:
            part = replace(part, index_tokens=0)
        encoded.add(model)
        parts.append(part)
    return on_queries(parts, 0)
