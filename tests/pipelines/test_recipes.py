"""Published recipes: each graph runs whole, with small retrievers and a local chat server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.api.named_models import ChatFlags
from harness.api.named_rerankers import ChatOptions, RerankerOptions, reranker_named
from harness.api.pipelining import NamedStageModels, known_pipelines, shipped_pipelines
from harness.cli.app import app
from harness.core.progress import SilentReporter
from harness.core.protocols import Retriever
from harness.core.settings import load_settings
from harness.core.types import Task
from harness.data.embedded import TASKS
from harness.pipelines.chat_rerank.asking import ChatSettings
from harness.pipelines.rerank_ports import Scorer
from harness.pipelines.staged.pipeline import Pipeline
from harness.pipelines.staged.rewriting import Rewriter
from harness.pipelines.staged.run import PipelineRunner, Workplace
from harness.pipelines.staged.spec import RerankStage, RewriteStage
from models.rerankers.find import find_reranker
from tests.helpers.chat_server import ChatServer, chat_server, http_chat, number_of

RECIPES = shipped_pipelines()
LISTWISE = "[3] > [1] > [2]"


def answer(prompt: str) -> str:
    """Return a reply of the form that a prompt asks for."""
    if "<score>" in prompt:
        return f"<score>{number_of(prompt) % 10 + 1}</score>"
    if "[1]" in prompt and "Draft:" not in prompt:
        return "\n".join(f"[{at}]: {at % 7}" for at in range(1, 11)) if ":" in prompt else LISTWISE
    return "It rests on locks, queues and files."


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        running.reply = answer
        yield running


@pytest.fixture(scope="module")
def task() -> Task:
    """Return two queries of an embedded task with all its documents."""
    whole = TASKS["stdlib-plain"].load()
    kept = whole.queries[:1]
    return replace(whole, queries=kept, qrels={query.id: whole.qrels[query.id] for query in kept})


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache of vectors that the recipes share."""
    return tmp_path_factory.mktemp("vectors")


@dataclass
class LocalModels:
    """Small models where a recipe names large ones, our prompts for theirs, one query."""

    url: str
    cache: Path
    vectors: Path

    def retriever(self, model: str) -> Retriever:
        settings = load_settings(self.cache, {}, cache=self.vectors)
        return NamedStageModels(settings).retriever("bm25" if model == "bm25" else "wordllama")

    def rewriter(self, stage: RewriteStage, journals: Path) -> Rewriter:
        return Rewriter(replace(stage, prompts=""), http_chat(self.url), journals)

    def reranker(self, stage: RerankStage) -> Scorer:
        method = find_reranker(stage.model).method
        flags = ChatFlags(self.url, "test-model")
        settings = ChatSettings(stage.samples, stage.window, stage.step, stage.passes)
        warm = 0.6 if stage.samples > 1 else None
        chat = ChatOptions(flags, settings, temperature=warm)
        named = f"llm-{method.removeprefix('chat-')}"
        return reranker_named(named, self.cache, RerankerOptions(chat=chat))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_whole(
    name: str, server: ChatServer, task: Task, vectors: Path, tmp_path: Path
):
    pipeline = RECIPES[name]
    models = LocalModels(server.url, tmp_path, vectors)
    place = Workplace(tmp_path, SilentReporter())
    done = PipelineRunner(pipeline, models, place).run(task)
    assert set(done.outputs) == {stage.name for stage in pipeline.stages}
    (ranking,) = done.run.rankings.values()
    assert len(ranking) >= 100
    asked = sum(server.asked.values())
    again = PipelineRunner(pipeline, models, place).run(task)
    assert all(output.reused for output in again.outputs.values())
    assert (again.run.rankings[task.queries[0].id].doc_ids) == ranking.doc_ids
    assert sum(server.asked.values()) == asked > 0


@pytest.mark.parametrize("pipeline", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_says_what_it_is_and_needs(pipeline: Pipeline):
    assert pipeline.title
    assert pipeline.needs
    assert pipeline.source
    for stage in pipeline.stages:
        if isinstance(stage, RerankStage):
            assert find_reranker(stage.model)


def test_the_recipes_of_the_field_are_there():
    assert set(RECIPES) == {"bge-reasoner", "diver-v2", "inf-x", "reasonrank", "xrr2"}
    lists = RECIPES["bge-reasoner"].inputs["result"]
    assert len(lists) == 7


def test_rebench_toml_adds_pipelines(tmp_path: Path):
    (tmp_path / "rebench.toml").write_text(
        "[[pipelines.mine.stage]]\nname = 'find'\nkind = 'retrieve'\nmodels = ['bm25']\n"
    )
    assert known_pipelines(load_settings(tmp_path, {}))["mine"].result.name == "find"


def test_the_command_lists_them_and_prints_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    app(["pipelines"], standalone_mode=False)
    listed = capsys.readouterr().out
    assert all(name in listed for name in RECIPES)
    app(["pipelines", "diver-v2"], standalone_mode=False)
    (tmp_path / "diver.toml").write_text(capsys.readouterr().out)
    assert Pipeline.from_toml(tmp_path / "diver.toml") == RECIPES["diver-v2"]
