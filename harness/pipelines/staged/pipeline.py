"""A pipeline: stages, what each reads, and no circles; read from a table of TOML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.config import dataclass_from_table
from harness.core.errors import BadInput, UnknownName
from harness.core.files import read_toml
from harness.pipelines.fusion import Fusion
from harness.pipelines.staged.spec import (
    ORIGINAL,
    STAGE_KINDS,
    FuseStage,
    RerankStage,
    RetrieveStage,
    RewriteStage,
    Stage,
)
from models.chat.rewriters import find_rewriter


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order of the file, each with the stages it reads; the last is the result.

    `inputs` maps a stage to the stages it reads (none: the original queries), `systems` to what
    its lists are called. `needs` says what running it takes, `source` where a recipe was read.
    """

    name: str
    stages: tuple[Stage, ...]
    inputs: Mapping[str, tuple[str, ...]]
    systems: Mapping[str, tuple[str, ...]]
    title: str = ""
    needs: str = ""
    source: str = ""

    @classmethod
    def from_toml(cls, path: str | Path, name: str = "") -> Pipeline:
        """Return a file's pipeline: the only one, or that of a name.

        Raises `BadInput` and `UnknownName` for whatever is wrong with it.
        """
        found = read_pipelines(Path(path))
        if name and name not in found:
            listing = f"{path} describes {', '.join(found)}."
            raise UnknownName("pipeline", name, found, listing=listing)
        if not name and len(found) > 1:
            raise BadInput(
                f"{path} describes {len(found)} pipelines",
                fix=f"Name one of {', '.join(found)}: {path}#{next(iter(found))}",
            )
        return found[name or next(iter(found))]

    def stage(self, name: str) -> Stage:
        """Return a stage by its name, which exists."""
        return next(each for each in self.stages if each.name == name)

    @property
    def order(self) -> tuple[Stage, ...]:
        """The stages so that each comes after those it reads."""
        done: dict[str, Stage] = {}
        waiting = list(self.stages)
        while waiting:
            ready = [each for each in waiting if all(name in done for name in self.reads(each))]
            done.update((each.name, each) for each in ready)
            waiting = [each for each in waiting if each.name not in done]
        return tuple(done.values())

    def reads(self, stage: Stage) -> tuple[str, ...]:
        """Return every stage that a stage needs the output of."""
        return needed_by(stage, self.inputs[stage.name])

    @property
    def result(self) -> Stage:
        """The stage whose list is the pipeline's."""
        return self.stages[-1]


def needed_by(stage: Stage, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return every stage that a stage needs, given its inputs: those, and what it reads by name."""
    if isinstance(stage, RewriteStage) and stage.reads:
        return (*inputs, stage.reads)
    if isinstance(stage, RerankStage) and stage.query != ORIGINAL:
        return (*inputs, stage.query)
    return inputs


KEYS = ("title", "needs", "source", "stage")


def read_pipelines(path: Path) -> dict[str, Pipeline]:
    """Return the pipelines of a file, by name; raises `BadInput` and `UnknownName`.

    Paths in it (`file`, `prompts`) are relative to its folder.
    """
    table = read_toml(path)
    pipelines = table.get("pipelines")
    if not isinstance(pipelines, dict) or not pipelines:
        raise BadInput(
            f"{path} describes no pipeline", fix="Write a table [pipelines.NAME] with its stages."
        )
    return {
        name: pipeline_from_table(name, each, f"{path}: pipelines.{name}", path.parent)
        for name, each in pipelines.items()
    }


def pipeline_from_table(name: str, table: Any, where: str, folder: Path) -> Pipeline:
    """Return the pipeline that a table describes, every stage and setting checked."""
    if not isinstance(table, dict) or not isinstance(table.get("stage"), list):
        raise BadInput(f"{where} has no stages", fix=f"Write [[pipelines.{name}.stage]] tables.")
    for key in table:
        if key not in KEYS:
            raise UnknownName("key", key, KEYS, listing=f"{where} may have {', '.join(KEYS)}.")
    stages = tuple(
        _stage(each, f"{where}.stage[{at}]", folder) for at, each in enumerate(table["stage"])
    )
    if not stages:
        raise BadInput(f"{where} has no stages", fix="Write one that retrieves at least.")
    twice = [key for key, count in Counter(each.name for each in stages).items() if count > 1]
    if twice:
        raise BadInput(f"{where}: two stages are called {twice[0]!r}", fix="Rename one of them.")
    inputs = _inputs(stages, where)
    _refuse_circles(stages, inputs, where)
    texts = {key: str(table.get(key, "")) for key in ("title", "needs", "source")}
    systems = {each.name: _systems(each) for each in stages}
    pipeline = Pipeline(name, stages, inputs, systems, **texts)
    check_pipeline(pipeline, where)
    return pipeline


def _stage(table: Any, where: str, folder: Path) -> Stage:
    """Return one stage, its own values checked."""
    if not isinstance(table, dict):
        raise BadInput(f"{where} is no table", fix="Write name, kind and settings.")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in STAGE_KINDS:
        known = ", ".join(STAGE_KINDS)
        raise UnknownName("kind of stage", str(kind), STAGE_KINDS, listing=f"{where}: {known}.")
    values = {key: value for key, value in table.items() if key not in ("kind", "from")}
    if "inputs" in values:
        raise BadInput(f"{where}: unknown key 'inputs'", fix='Write from = ["NAME"].')
    sources = table.get("from")
    if sources is not None and not _are_names(sources):
        raise BadInput(f"{where}: from = {sources!r}", fix='Write from = ["NAME", …].')
    if kind == RewriteStage.kind and "rewriter" in values:
        values = _with_rewriter(values, where)
    for key in ("file", "prompts"):
        if isinstance(values.get(key), str) and values[key]:
            values[key] = str(folder / values[key])
    stage = dataclass_from_table(STAGE_KINDS[kind], values, where)
    if not stage.name or stage.name == ORIGINAL or "/" in stage.name:
        raise BadInput(
            f"{where}: a stage is called {stage.name!r}",
            fix=f"Give it a name without a slash, and not {ORIGINAL!r}.",
        )
    if sources is None:
        return stage
    return replace(stage, inputs=tuple(sources))


def _with_rewriter(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a rewrite stage's values with those that a rewriter's card gives.

    Raises `UnknownName`, and `BadInput` for a model that was trained on a prompt and gets none.
    """
    card = find_rewriter(str(values["rewriter"]))
    if not values.get("prompts"):
        raise BadInput(
            f"{where}: {card.name} was trained on a prompt of its own ({card.own_prompt})",
            fix=f"Write it into DIR/{card.method}.txt, with {{{{query}}}} in it, and prompts = "
            "the folder.",
        )
    return {**card.stage, **{key: value for key, value in values.items() if key != "rewriter"}}


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _inputs(stages: tuple[Stage, ...], where: str) -> dict[str, tuple[str, ...]]:
    """Return what each stage reads: as it says, else the stage before; all of it known."""
    names = [each.name for each in stages]
    found: dict[str, tuple[str, ...]] = {}
    for at, stage in enumerate(stages):
        before = (names[at - 1],) if at and not isinstance(stage, RewriteStage) else ()
        found[stage.name] = before if stage.inputs is None else stage.inputs
        for name in needed_by(stage, found[stage.name]):
            if name not in names:
                listing = f"{where}: stages are {', '.join(names)}."
                raise UnknownName("stage", name, names, listing=listing)
    return found


def _refuse_circles(
    stages: tuple[Stage, ...], inputs: Mapping[str, tuple[str, ...]], where: str
) -> None:
    """Raise `BadInput` for a circle, and for a stage that the result does not need."""
    needs = {each.name: needed_by(each, inputs[each.name]) for each in stages}
    left = dict(needs)
    while left:
        ready = [name for name, read in left.items() if not any(each in left for each in read)]
        if not ready:
            raise BadInput(
                f"{where}: the stages {', '.join(left)} read each other in a circle",
                fix="Let one of them read an earlier stage.",
            )
        left = {name: read for name, read in left.items() if name not in ready}
    used = {stages[-1].name}
    while True:
        more = {read for name in used for read in needs[name]} - used
        if not more:
            break
        used |= more
    for stage in stages:
        if stage.name not in used:
            raise BadInput(
                f"{where}: nothing reads the stage {stage.name}",
                fix=f"Name it in another stage's from, or remove it; the result is that of the "
                f"last stage, {stages[-1].name}.",
            )


def _systems(stage: Stage) -> tuple[str, ...]:
    """Return what the lists are called that a stage gives; none for a rewrite."""
    if isinstance(stage, RetrieveStage):
        return stage.models
    return () if isinstance(stage, RewriteStage) else (stage.name,)


def input_systems(pipeline: Pipeline, stage: str) -> tuple[tuple[str, str, str], ...]:
    """Return (name, stage, system) of each list that a stage reads, names made unique."""
    pairs = [(each, system) for each in pipeline.inputs[stage] for system in pipeline.systems[each]]
    count = Counter(system for _, system in pairs)
    return tuple(
        (system if count[system] == 1 else f"{each}/{system}", each, system)
        for each, system in pairs
    )


def check_pipeline(pipeline: Pipeline, where: str) -> None:
    """Raise `BadInput` unless every stage is given what its kind reads."""
    for stage in pipeline.stages:
        reads = [pipeline.stage(name) for name in pipeline.inputs[stage.name]]
        lists = input_systems(pipeline, stage.name)
        place = f"{where}: the stage {stage.name}"
        if isinstance(stage, RewriteStage):
            _check_rewrite(pipeline, stage, place)
        elif isinstance(stage, RetrieveStage):
            if len(reads) > 1 or any(not isinstance(each, RewriteStage) for each in reads):
                raise BadInput(
                    f"{place} searches with queries, and reads "
                    f"{', '.join(each.name for each in reads)}",
                    fix="Let it read one rewrite stage, or the original queries: from = [].",
                )
        elif not lists:
            raise BadInput(f"{place} has no list to work on", fix="Let it read a retrieve stage.")
        elif isinstance(stage, FuseStage):
            try:
                Fusion.of(stage.settings(tuple(name for name, _, _ in lists)), len(lists))
            except BadInput as error:
                raise BadInput(f"{place}: {error.message}", fix=error.fix) from error
        else:
            _check_rerank(pipeline, stage, len(lists), place)
    last = pipeline.result
    if len(pipeline.systems[last.name]) != 1:
        raise BadInput(
            f"{where}: the last stage, {last.name}, gives "
            f"{len(pipeline.systems[last.name]) or 'no'} lists",
            fix="End with one list: fuse them.",
        )


def _check_rewrite(pipeline: Pipeline, stage: RewriteStage, place: str) -> None:
    if pipeline.inputs[stage.name]:
        raise BadInput(
            f"{place} rewrites the original queries, and reads {pipeline.inputs[stage.name][0]}",
            fix="Leave from out; documents are read with reads = a retrieve stage.",
        )
    if not stage.reads:
        return
    other = pipeline.stage(stage.reads)
    if not isinstance(other, RetrieveStage) or len(other.models) != 1:
        raise BadInput(
            f"{place} reads {stage.reads}, which is no retrieve stage of one model",
            fix="Name one.",
        )
    if stage.documents > other.depth:
        raise BadInput(
            f"{place} reads {stage.documents} documents, and {other.name} finds {other.depth}",
            fix="Read fewer, or search deeper.",
        )


def _check_rerank(pipeline: Pipeline, stage: RerankStage, lists: int, place: str) -> None:
    if lists != 1:
        raise BadInput(f"{place} is given {lists} lists", fix="Fuse them first.")
    if stage.query == ORIGINAL:
        return
    other = pipeline.stage(stage.query)
    if not isinstance(other, RewriteStage) or other.samples > 1 or other.keep == "both":
        raise BadInput(
            f"{place} reads the query {stage.query}, which is no rewrite of one version",
            fix=f'Write query = "{ORIGINAL}", or name a rewrite with samples = 1.',
        )
