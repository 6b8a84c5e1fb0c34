"""Pipelines by name, and the models that their stages name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.named_models import ChatFlags, chat_model
from harness.api.named_rerankers import (
    ChatOptions,
    RerankerOptions,
    ServerOptions,
    reranker_named,
)
from harness.core.errors import BadInput, UnknownName
from harness.core.settings import SETTINGS_FILE, Settings
from harness.evaluate import EvalConfig, Outcome
from harness.pipelines.chat_rerank.asking import ChatSettings
from harness.pipelines.staged.entry import evaluate_pipeline
from harness.pipelines.staged.pipeline import Pipeline, pipeline_from_table
from harness.pipelines.staged.rewriting import Rewriter
from harness.pipelines.staged.run import PipelineRunner, Workplace
from harness.pipelines.staged.spec import ChatUse, RerankStage, RewriteStage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.core.protocols import Reporter, Retriever
    from harness.core.types import Task
    from harness.pipelines.rerank_ports import Scorer
    from results.store import ResultStore

_RECIPES = "harness.pipelines.staged"


def shipped_pipelines() -> dict[str, Pipeline]:
    """Return the published recipes that come with rebench, by name."""
    folder = files(_RECIPES).joinpath("recipes")
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".toml"):
            with as_file(entry) as path:
                pipeline = Pipeline.from_toml(path)
                found[pipeline.name] = pipeline
    return found


def recipe_text(name: str) -> str:
    """Return the file of a shipped recipe; raises `UnknownName`."""
    known = shipped_pipelines()
    if name not in known:
        listing = f"Recipes are {', '.join(known)}."
        raise UnknownName("recipe", name, known, listing=listing)
    return files(_RECIPES).joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8").rstrip()


def known_pipelines(settings: Settings) -> dict[str, Pipeline]:
    """Return the shipped recipes and those of `rebench.toml`, which come first."""
    own = {
        name: pipeline_from_table(name, table, f"{SETTINGS_FILE}: pipelines.{name}", Path())
        for name, table in settings.pipelines.items()
    }
    return {**shipped_pipelines(), **own}


def find_pipeline(name: str, settings: Settings) -> Pipeline:
    """Return the pipeline of `FILE.toml`, `FILE.toml#NAME`, or a name that is known.

    Raises `BadInput` and `UnknownName`.
    """
    path, _, part = name.partition("#")
    if path.endswith(".toml"):
        return Pipeline.from_toml(path, part)
    known = known_pipelines(settings)
    if name not in known:
        raise UnknownName(
            "pipeline", name, known, listing="`rebench pipelines` lists them; a file is FILE.toml."
        )
    if name not in settings.pipelines:
        raise BadInput(
            f"{name} is a recipe, whose servers and prompts are not yours",
            fix=f"Run `rebench pipelines {name} > {name}.toml`, write your addresses into it, and "
            f"pass --pipeline {name}.toml",
        )
    return known[name]


@dataclass(frozen=True, slots=True)
class NamedStageModels:
    """Makes what stages name, as `rebench eval`, `rebench rerank` and `rebench remix` make it."""

    settings: Settings

    def retriever(self, model: str) -> Retriever:
        """Return the retriever of a name that `rebench eval --model` takes."""
        from harness.loading import retriever

        return retriever(model, self.settings)

    def rewriter(self, stage: RewriteStage, journals: Path) -> Rewriter:
        """Return the chat model of a rewrite stage, which may read a file instead."""
        if stage.file:
            if not Path(stage.file).is_file():
                raise BadInput(
                    f"no such file: {stage.file}", fix=f"The stage {stage.name} reads it."
                )
            return Rewriter(stage, None, journals)
        model = chat_model(_flags(stage, f"llm of the stage {stage.name}"))
        if model is None:
            raise BadInput(
                f"the stage {stage.name} needs a chat model",
                fix='Write llm = "http://HOST:PORT/v1" and llm_model, or llm = "replay:FILE".',
            )
        return Rewriter(stage, model, journals)

    def reranker(self, stage: RerankStage) -> Scorer:
        """Return the reranker of a stage."""
        from models.backends.cross_encoder import LocalOptions

        local = None
        if stage.device or stage.max_length or stage.trust_remote_code:
            local = LocalOptions(stage.device, stage.max_length, "", stage.trust_remote_code)
        chat = None
        if stage.llm:
            chat = ChatOptions(
                _flags(stage),
                ChatSettings(
                    stage.samples, stage.window, stage.step, stage.passes, stage.words, stage.seed
                ),
                temperature=None if stage.temperature < 0 else stage.temperature,
                max_tokens=stage.max_tokens,
                prompts=Path(stage.prompts) if stage.prompts else None,
                budget=stage.budget,
            )
        server = ServerOptions(stage.server_model, stage.api_key_env)
        return reranker_named(
            stage.model, self.settings.cache_dir, RerankerOptions(local, server, chat)
        )


def _flags(stage: ChatUse, option: str = "--llm") -> ChatFlags:
    """Return what a stage says of its chat model; `option` is what an error calls it."""
    return ChatFlags(
        stage.llm or None,
        stage.llm_model,
        dialect=stage.dialect,
        concurrency=stage.concurrency,
        option=option,
    )


def evaluate_on(
    pipeline: Pipeline,
    tasks: Iterable[Task],
    settings: Settings,
    store: ResultStore,
    config: EvalConfig,
    reporter: Reporter,
) -> Iterator[Outcome]:
    """Yield the outcome of a pipeline on each task; raises what `evaluate_pipeline` raises."""
    place = Workplace(settings.cache_dir, reporter, config.force)
    runner = PipelineRunner(pipeline, NamedStageModels(settings), place)
    try:
        for task in tasks:
            yield evaluate_pipeline(runner, task, store, config, reporter)
    finally:
        runner.close()
