"""Running a pipeline on a task: each stage once, its output kept, what it took told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from harness.core.hashing import corpus_fingerprint, queries_fingerprint
from harness.core.protocols import Closing, Reporter, Retriever
from harness.core.types import Json, RetrievalResult, Run, Task
from harness.pipelines.fusion import Fusion, FusionSettings, fuse_runs
from harness.pipelines.methods import method_named
from harness.pipelines.rerank import rerank_run
from harness.pipelines.rerank_ports import ListScorer, Scorer
from harness.pipelines.score_store import ScoreStore
from harness.pipelines.staged.outputs import StageOutput, StageOutputs, content_of, unanswered
from harness.pipelines.staged.pipeline import Pipeline, input_systems
from harness.pipelines.staged.rewriting import Rewriter, task_versions
from harness.pipelines.staged.spec import (
    ORIGINAL,
    FuseStage,
    RerankStage,
    RetrieveStage,
    RewriteStage,
    Stage,
    stage_json,
)

JOURNALS = "rewrite"
"""Folder of the cache that holds what rewriters answered, a journal for each model."""


class StageModels(Protocol):
    """Makes what stages run; nothing is loaded or asked by making it."""

    def retriever(self, model: str) -> Retriever:
        """Return the retriever of a name that `rebench eval --model` takes."""

    def rewriter(self, stage: RewriteStage, journals: Path) -> Rewriter:
        """Return the chat model of a rewrite stage, which may read a file instead."""

    def reranker(self, stage: RerankStage) -> Scorer:
        """Return the reranker of a stage."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where stages keep what they give and ask, and how they report.

    `force` runs every stage anew; replies and scores that are kept are still used.
    """

    cache: Path
    reporter: Reporter
    force: bool = False


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """The result, and the output of every stage by name, in the order they ran."""

    run: Run
    outputs: Mapping[str, StageOutput]


class PipelineRunner:
    """Runs one pipeline on one task after another.

    One retriever is in memory at a time if it can be closed.
    """

    def __init__(self, pipeline: Pipeline, models: StageModels, place: Workplace) -> None:
        self.pipeline = pipeline
        self._models = models
        self._place = place
        self._kept = StageOutputs(place.cache, place.reporter)

    @cached_property
    def _retrievers(self) -> dict[str, Retriever]:
        names = dict.fromkeys(
            model
            for stage in self.pipeline.stages
            if isinstance(stage, RetrieveStage)
            for model in stage.models
        )
        return {name: self._models.retriever(name) for name in names}

    @cached_property
    def _scorers(self) -> dict[str, Scorer]:
        stages = [each for each in self.pipeline.stages if isinstance(each, RerankStage)]
        return {stage.name: self._models.reranker(stage) for stage in stages}

    @cached_property
    def _rewriters(self) -> dict[str, Rewriter]:
        stages = [each for each in self.pipeline.stages if isinstance(each, RewriteStage)]
        folder = self._place.cache / JOURNALS
        return {stage.name: self._models.rewriter(stage, folder) for stage in stages}

    def identity(self, task: Task) -> dict[str, Json]:
        """Return all that changes the result on a task, before anything is run."""
        return {
            "pipeline": "stages",
            "stages": [
                {
                    "name": stage.name,
                    "from": list(self.pipeline.inputs[stage.name]),
                    **self._settings(stage, task),
                }
                for stage in self.pipeline.stages
            ],
        }

    def _settings(self, stage: Stage, task: Task) -> dict[str, Json]:
        """Return what changes a stage's output beside its inputs."""
        if isinstance(stage, RetrieveStage):
            models = {name: dict(self._retrievers[name].identity(task)) for name in stage.models}
            return {**stage_json(stage), "models": models}
        if isinstance(stage, FuseStage):
            systems = tuple(name for name, _, _ in input_systems(self.pipeline, stage.name))
            settings = stage.settings(systems)
            return {
                "kind": stage.kind,
                **Fusion.of(settings, len(systems)).json,
                "systems": list(systems),
            }
        if isinstance(stage, RerankStage):
            scorer = self._scorers[stage.name]
            return {
                "kind": stage.kind,
                "reranker": dict(scorer.identity),
                "query": stage.query,
                **stage.settings.json,
            }
        said = self._rewriters[stage.name].identity
        return {**said, "keep": stage.keep, "reads": stage.reads}

    def run(self, task: Task) -> PipelineRun:
        """Run the stages, those whose output is kept excepted.

        Raises what retrievers, rerankers and chat models raise; what finished before is kept.
        """
        outputs: dict[str, StageOutput] = {}
        for stage in self.pipeline.order:
            outputs[stage.name] = self._output(stage, task, outputs)
        (run,) = outputs[self.pipeline.result.name].lists.values()
        return PipelineRun(run, outputs)

    def close(self) -> None:
        """Free what the retrievers hold."""
        for retriever in self._retrievers.values():
            if isinstance(retriever, Closing):
                retriever.close()

    def _output(self, stage: Stage, task: Task, outputs: Mapping[str, StageOutput]) -> StageOutput:
        if isinstance(stage, RewriteStage):
            return self._rewrite(stage, task, outputs)
        if isinstance(stage, RetrieveStage):
            return self._retrieve(stage, task, outputs)
        if isinstance(stage, FuseStage):
            return self._fuse(stage, outputs)
        return self._rerank(stage, task, outputs)

    def _made(self, identity: Mapping[str, Json]) -> StageOutput | None:
        return None if self._place.force else self._kept.find(identity)

    def _keep(self, identity: Mapping[str, Json], output: StageOutput) -> StageOutput:
        done = replace(output, content=content_of(output.lists, output.rewrites))
        lost = unanswered(output.facts)
        if lost:
            self._place.reporter.warn(
                f"{lost} requests were given up; the stage is not kept, and --force asks them again"
            )
        else:
            self._kept.keep(identity, done)
        return done

    def _rewrite(
        self, stage: RewriteStage, task: Task, outputs: Mapping[str, StageOutput]
    ) -> StageOutput:
        rewriter = self._rewriters[stage.name]
        identity: dict[str, Json] = {
            **rewriter.identity,
            "queries": queries_fingerprint(task.queries),
        }
        search = None
        if stage.reads:
            reads = self.pipeline.stage(stage.reads)
            assert isinstance(reads, RetrieveStage)  # noqa: S101 - checked when read
            first = next(iter(outputs[stage.reads].lists.values()))
            identity |= {
                "read": outputs[stage.reads].content,
                "retriever": dict(self._retrievers[reads.models[0]].identity(task)),
            }
            identity |= _ground(task)
            search = _Feedback(first, task, self._retrievers[reads.models[0]], stage, self._place)
        stored = self._made(identity)
        if stored is not None:
            return stored
        start = time.perf_counter()
        rewrites, facts = rewriter.rewrites(task, search, self._place.reporter)
        if search is not None:
            facts = {**facts, "searches": [dict(each) for each in search.facts]}
        seconds = time.perf_counter() - start
        return self._keep(identity, StageOutput("", seconds, rewrites=rewrites, facts=facts))

    def _versions(self, name: str, task: Task, outputs: Mapping[str, StageOutput]) -> list[Task]:
        """Return a task with each version of its queries that a rewrite stage gives."""
        stage = self.pipeline.stage(name)
        assert isinstance(stage, RewriteStage)  # noqa: S101 - checked when read
        return task_versions(task, outputs[name].rewrites, stage.keep)

    def _retrieve(
        self, stage: RetrieveStage, task: Task, outputs: Mapping[str, StageOutput]
    ) -> StageOutput:
        inputs = self.pipeline.inputs[stage.name]
        versions = self._versions(inputs[0], task, outputs) if inputs else [task]
        ground: dict[str, Json] = {
            "kind": stage.kind,
            "queries": [queries_fingerprint(each.queries) for each in versions],
            **_ground(task),
            "depth": stage.depth,
            "versions": stage.versions if len(versions) > 1 else "",
        }
        parts = {
            model: self._search(model, stage, task, versions, ground) for model in stage.models
        }
        return StageOutput(
            content_of({model: each.lists[model] for model, each in parts.items()}, {}),
            sum(each.seconds for each in parts.values()),
            {model: each.lists[model] for model, each in parts.items()},
            facts={"models": {model: dict(each.facts) for model, each in parts.items()}},
            reused=all(each.reused for each in parts.values()),
        )

    def _search(
        self,
        model: str,
        stage: RetrieveStage,
        task: Task,
        versions: list[Task],
        ground: Mapping[str, Json],
    ) -> StageOutput:
        """Return one model's list, which pipelines that search alike share."""
        retriever = self._retrievers[model]
        identity: dict[str, Json] = {**ground, "retriever": dict(retriever.identity(task))}
        stored = self._made(identity)
        if stored is not None:
            (run,) = stored.lists.values()
            return replace(stored, lists={model: run})
        start = time.perf_counter()
        found = [retriever.search(each, stage.depth, self._place.reporter) for each in versions]
        run = found[0].run
        if len(found) > 1:
            settings = FusionSettings(stage.versions, norm=_raw(stage.versions))
            fusion = Fusion.of(settings, len(found))
            run = fuse_runs([each.run for each in found], fusion, stage.depth).run
        seconds = time.perf_counter() - start
        if isinstance(retriever, Closing) and len(self._retrievers) > 1:
            retriever.close()
        return self._keep(
            identity, StageOutput("", seconds, {model: run}, facts=_search_facts(found))
        )

    def _fuse(self, stage: FuseStage, outputs: Mapping[str, StageOutput]) -> StageOutput:
        lists = {
            name: outputs[source].lists[system]
            for name, source, system in input_systems(self.pipeline, stage.name)
        }
        settings = stage.settings(tuple(lists))
        fusion = Fusion.of(settings, len(lists))
        identity: dict[str, Json] = {
            "kind": stage.kind,
            **fusion.json,
            "lists": [content_of({"": run}, {}) for run in lists.values()],
        }
        stored = self._made(identity)
        if stored is not None:
            (run,) = stored.lists.values()
            return replace(stored, lists={stage.name: run})
        start = time.perf_counter()
        deepest = sum(
            max((len(r) for r in run.rankings.values()), default=0) for run in lists.values()
        )
        fused = fuse_runs(list(lists.values()), fusion, max(1, deepest))
        facts: dict[str, Json] = {
            "only_in": list(fused.only_in),
            "flat_lists": fused.flat,
            "lists_fused": fused.lists,
        }
        seconds = time.perf_counter() - start
        return self._keep(identity, StageOutput("", seconds, {stage.name: fused.run}, facts=facts))

    def _rerank(
        self, stage: RerankStage, task: Task, outputs: Mapping[str, StageOutput]
    ) -> StageOutput:
        ((_, source, system),) = input_systems(self.pipeline, stage.name)
        run = outputs[source].lists[system]
        reading = task
        if stage.query != ORIGINAL:
            (reading,) = self._versions(stage.query, task, outputs)
        scorer = self._scorers[stage.name]
        identity: dict[str, Json] = {
            "kind": stage.kind,
            "reranker": dict(scorer.identity),
            **stage.settings.json,
            "list": content_of({"": run}, {}),
            "queries": queries_fingerprint(reading.queries),
            **_ground(task),
        }
        stored = self._made(identity)
        if stored is not None:
            (before,) = stored.lists.values()
            return replace(stored, lists={stage.name: before})
        start = time.perf_counter()
        scores = None
        if not isinstance(scorer, ListScorer):
            scores = ScoreStore(self._place.cache, scorer.identity)
        found = rerank_run(run, reading, scorer, stage.settings, scores, self._place.reporter)
        facts: dict[str, Json] = {
            "pairs_scored": found.scored,
            "pairs_reused": found.reused,
            **found.facts,
        }
        seconds = time.perf_counter() - start
        return self._keep(identity, StageOutput("", seconds, {stage.name: found.run}, facts=facts))


@dataclass(frozen=True, slots=True)
class _Feedback:
    """The documents that a rewrite stage reads: those found before, then those of its rewrites.

    `facts` are those of its own searches.
    """

    first: Run
    task: Task
    retriever: Retriever
    stage: RewriteStage
    place: Workplace
    facts: list[Mapping[str, Json]] = field(default_factory=list)

    def __call__(self, task: Task) -> Run:
        """Return the run for a task whose queries are as they are searched with now."""
        if task.queries == self.task.queries:
            return self.first
        found = self.retriever.search(task, self.stage.documents, self.place.reporter)
        self.facts.append(found.facts)
        return found.run


def _ground(task: Task) -> dict[str, Json]:
    """Return what of a task's documents decides an output: texts and exclusions."""
    corpus = task.corpus
    return {
        "documents": corpus_fingerprint(corpus) if corpus is not None else None,
        "excluded": {qid: sorted(docs) for qid, docs in sorted(task.excluded.items()) if docs},
    }


def _raw(method: str) -> str:
    """Return the norm that leaves scores as they are, for a method that reads them."""
    return "" if method_named(method).by_rank else "none"


def _search_facts(found: Sequence[RetrievalResult]) -> Mapping[str, Json]:
    """Return what searching took: the facts of the only version, or of each."""
    if len(found) == 1:
        return found[0].facts
    return {"versions": [dict(each.facts) for each in found]}
