"""A pipeline without one of its parts: what each stage brings is what is lost without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.core.errors import BadInput
from harness.pipelines.staged.pipeline import Pipeline, check_pipeline, input_systems, needed_by
from harness.pipelines.staged.spec import (
    ORIGINAL,
    FuseStage,
    RerankStage,
    RetrieveStage,
    RewriteStage,
    Stage,
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is left out: a stage, or the list of a `system` that a stage gives to be fused.

    `label` is what it is called in tables and names.
    """

    stage: str
    system: str = ""
    label: str = ""


def parts_of(pipeline: Pipeline) -> tuple[LeftOut, ...]:
    """Return what can be left out of a pipeline, in the order of its stages.

    Every rewrite and every rerank stage, and every list of a retrieve or fuse stage that is fused,
    each once however many stages fuse it. A list is called as its system, or STAGE/SYSTEM where
    two stages give one of that name.
    """
    stages = [
        LeftOut(stage.name, label=stage.name)
        for stage in pipeline.stages
        if isinstance(stage, RewriteStage | RerankStage)
    ]
    lists = dict.fromkeys(
        (source, system)
        for stage in pipeline.stages
        if isinstance(stage, FuseStage)
        for _, source, system in input_systems(pipeline, stage.name)
        if isinstance(pipeline.stage(source), RetrieveStage | FuseStage)
    )
    named = Counter(system for _, system in lists)
    fused = [
        LeftOut(source, system, system if named[system] == 1 else f"{source}/{system}")
        for source, system in lists
    ]
    order = [stage.name for stage in pipeline.stages]
    return tuple(sorted([*stages, *fused], key=lambda part: order.index(part.stage)))


def without(pipeline: Pipeline, part: LeftOut) -> Pipeline:
    """Return the pipeline without a part, every stage that only led to it left out as well.

    Without a rewrite, its readers take the original queries; without a reranking, what it read. A
    fuse stage that has one list left is that list. Weights of the lists that stay are kept. Raises
    `BadInput` for a part without which no list is left.
    """
    stages = {stage.name: stage for stage in pipeline.stages}
    inputs = dict(pipeline.inputs)
    left = stages[part.stage]
    if part.system:
        _drop_list(pipeline, part, stages, inputs)
    elif isinstance(left, RewriteStage):
        _drop_rewrite(part.stage, stages, inputs)
    else:
        _replace_by(part.stage, inputs[part.stage][0], stages, inputs)
    result = _result(pipeline.result.name, part, pipeline)
    changed = _joined(_Changed(stages, inputs, result))
    kept = _needed(changed)
    made = replace(
        pipeline,
        name=f"{pipeline.name}-without-{part.label.replace('/', '-')}",
        stages=tuple(changed.stages[name] for name in _order(pipeline, kept, changed.result)),
        inputs={name: changed.inputs[name] for name in kept},
        systems={name: pipeline.systems[name] for name in kept} | changed.systems(kept),
    )
    check_pipeline(made, f"{pipeline.name} without {part.label}")
    return made


@dataclass(slots=True)
class _Changed:
    """Stages and what they read while parts are taken out of them; `result` is the last."""

    stages: dict[str, Stage]
    inputs: dict[str, tuple[str, ...]]
    result: str

    def systems(self, names: list[str]) -> dict[str, tuple[str, ...]]:
        """Return the lists of retrieve stages, which may have lost a model."""
        found = {}
        for name in names:
            stage = self.stages[name]
            if isinstance(stage, RetrieveStage):
                found[name] = stage.models
        return found


def _drop_rewrite(name: str, stages: dict[str, Stage], inputs: dict[str, tuple[str, ...]]) -> None:
    for other, reads in inputs.items():
        inputs[other] = tuple(each for each in reads if each != name)
    for other, stage in stages.items():
        if isinstance(stage, RerankStage) and stage.query == name:
            stages[other] = replace(stage, query=ORIGINAL)


def _replace_by(
    name: str, before: str, stages: dict[str, Stage], inputs: dict[str, tuple[str, ...]]
) -> None:
    """Let readers of a stage read what it read; one that fuses that anyway loses a list."""
    origin = stages[before]
    label = origin.models[0] if isinstance(origin, RetrieveStage) else before
    for other, reads in inputs.items():
        if name not in reads:
            continue
        stage = stages[other]
        if isinstance(stage, FuseStage) and before in reads:
            inputs[other] = tuple(each for each in reads if each != name)
            stages[other] = replace(stage, weights=_weights(stage.weights, name))
        else:
            inputs[other] = tuple(before if each == name else each for each in reads)
            if isinstance(stage, FuseStage) and name in stage.weights:
                renamed = {label if key == name else key: w for key, w in stage.weights.items()}
                stages[other] = replace(stage, weights=renamed)


def _drop_list(
    pipeline: Pipeline, part: LeftOut, stages: dict[str, Stage], inputs: dict[str, tuple[str, ...]]
) -> None:
    """Take one list from every stage that fuses it: a model of a retrieve stage, or a whole one."""
    for stage in pipeline.stages:
        if not isinstance(stage, FuseStage) or part.stage not in pipeline.inputs[stage.name]:
            continue
        for name, source, system in input_systems(pipeline, stage.name):
            if (source, system) == (part.stage, part.system):
                stages[stage.name] = replace(stage, weights=_weights(stage.weights, name))
    origin = stages[part.stage]
    if isinstance(origin, RetrieveStage) and len(origin.models) > 1:
        models = tuple(model for model in origin.models if model != part.system)
        stages[part.stage] = replace(origin, models=models)
        return
    for name, stage in stages.items():
        if isinstance(stage, FuseStage):
            inputs[name] = tuple(each for each in inputs[name] if each != part.stage)


def _weights(weights: Mapping[str, float], name: str) -> dict[str, float]:
    return {key: weight for key, weight in weights.items() if key != name}


def _result(result: str, part: LeftOut, pipeline: Pipeline) -> str:
    if result != part.stage or part.system:
        return result
    return pipeline.inputs[part.stage][0]


def _joined(changed: _Changed) -> _Changed:
    """Replace each fuse stage that has one list left by the stage of that list."""
    while True:
        single = [
            name
            for name, stage in changed.stages.items()
            if isinstance(stage, FuseStage) and _lists_of(changed, name) == 1
        ]
        if not single:
            return changed
        name = single[0]
        (before,) = changed.inputs[name]
        _replace_by(name, before, changed.stages, changed.inputs)
        changed.result = before if changed.result == name else changed.result
        del changed.stages[name], changed.inputs[name]


def _lists_of(changed: _Changed, name: str) -> int:
    """Return how many lists a stage reads."""
    count = 0
    for source in changed.inputs[name]:
        stage = changed.stages[source]
        count += len(stage.models) if isinstance(stage, RetrieveStage) else 1
    return count


def _needed(changed: _Changed) -> list[str]:
    """Return the stages that the result needs."""
    found: dict[str, None] = {}
    waiting = [changed.result]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = None
        waiting.extend(needed_by(changed.stages[name], changed.inputs[name]))
    if not any(isinstance(changed.stages[name], RetrieveStage) for name in found):
        raise BadInput("nothing is retrieved without it", fix="Leave out another part.")
    return list(found)


def _order(pipeline: Pipeline, kept: list[str], result: str) -> list[str]:
    """Return the kept stages in the order of the file, the result last."""
    names = [stage.name for stage in pipeline.stages if stage.name in kept]
    return [*(name for name in names if name != result), result]
