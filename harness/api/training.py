"""Train by a recipe, run an ablation, and make training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.session import Session, open_session
from harness.api.tables import TableResult
from harness.core.distribution import installed_version
from harness.core.paths import check_folder

if TYPE_CHECKING:
    from harness.ablation.ports import Dependencies
    from harness.ablation.results import AblationResult
    from harness.ablation.spec import AblationSpec
    from harness.core.protocols import Reporter, Retriever
    from harness.core.types import Task
    from models.chat.dispatch import Budget, FailureLimits
    from models.chat.protocol import ChatModel
    from redapter.config import RunConfig
    from remixer.config import RemixConfig
    from remixer.run_folder import StageRecord
    from remixer.stages.scorers import CandidateScorer

TRAINED_DIR = Path("trained")


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """A finished training: the exported model's folder, which `evaluate` takes, and its report.

    `name` is the recipe's; `reused` says that it was finished before.
    """

    name: str
    model: Path
    report: Path
    steps: int
    reused: bool


@dataclass(frozen=True, slots=True)
class AblationOutcome(TableResult):
    """An ablation: variants by seeds, their tested differences, and the report's file."""

    ablation: AblationResult
    report: Path

    def rows(self) -> list[dict[str, Any]]:
        """Return the mean of each variant on each task, over its seeds; fractions."""
        return [
            {
                "variant": self.ablation.spec.title_of(each.side),
                "task": each.task or "mean",
                "mean": each.mean,
                "deviation": each.deviation,
                "seeds": len(each.seeds),
            }
            for each in self.ablation.table.means
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as `ablate --json` prints it."""
        from harness.ablation.results import result_json

        return result_json(self.ablation)


@dataclass(frozen=True, slots=True)
class RemixOutcome(TableResult):
    """The stages of a run of ReMixer that were done or found done, and the run's folder."""

    folder: Path
    records: Mapping[str, StageRecord]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per count of each stage."""
        return [
            {"stage": stage, "count": key, "number": number}
            for stage, record in self.records.items()
            for key, number in record.counts.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by stage."""
        return {stage: dict(record.counts) for stage, record in self.records.items()}


def remix(
    folder: str | Path,
    task: str | Path | Task,
    *,
    llm: str | ChatModel | None = None,
    llm_model: str = "",
    embedder: str = "bm25",
    candidates: str | Path | None = None,
    annotator: str = "llm",
    stages: Sequence[str] = (),
    config: RemixConfig | None = None,
    budget: Budget | None = None,
    limits: FailureLimits | None = None,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Reporter | None = None,
) -> RemixOutcome:
    """Make training data from a corpus with ReMixer, whole or the named `stages`.

    `task` is a task's name, a loaded task, or a folder with `corpus.jsonl` or in BEIR layout;
    `folder` holds the run, and the same call goes on where it was stopped. `llm` is a server's
    address (`http://HOST:PORT/v1`, with `llm_model`), `vllm:MODEL`, `replay:FILE`, or a chat
    model. `embedder` mines, unless `candidates` is a run file; `annotator` judges: `llm`,
    `lexical`, `embedding` or `cross-encoder:MODEL`. Raises `BadInput`, `ModelError`, and
    `BudgetReached` with all finished work kept.
    """
    from harness.api.named_models import mining_retriever, scorer_for
    from models.chat.dispatch import Budget, FailureLimits
    from remixer.candidate_run import CandidateRun
    from remixer.config import RemixConfig
    from remixer.context import RemixTools
    from remixer.pipeline import STAGES, run_stages
    from remixer.task_profiles import load_profile, profile_name

    session = open_session(data=data, cache=cache, progress=progress)
    loaded = _corpus_task(task, session)
    settings = config or RemixConfig()
    tools = RemixTools(
        reporter=session.reporter,
        chat=_chat(llm, llm_model),
        retriever=mining_retriever(embedder, session.settings)
        if candidates is None
        else CandidateRun(Path(candidates)),
        scorer=scorer_for(annotator, embedder, session.settings),
        budget=budget or Budget(),
        limits=limits or FailureLimits(),
    )
    profile = load_profile(profile_name(loaded.name), loaded.prompt_fields)
    every = [stage for stage in STAGES if settings.reason or stage != "reason"]
    return RemixOutcome(
        Path(folder),
        run_stages(tuple(stages) or every, loaded, profile, Path(folder), settings, tools),
    )


def _chat(llm: str | ChatModel | None, model: str) -> ChatModel | None:
    """Return a chat model by its address, or as it is given."""
    from harness.api.named_models import ChatFlags, chat_model

    if llm is None or isinstance(llm, str):
        return chat_model(ChatFlags(llm, model))
    return llm


def _corpus_task(task: str | Path | Task, session: Session) -> Task:
    """Return a task with its documents: by name, from a folder, or as it is given."""
    from harness.core.types import Task
    from harness.data.registry import TaskOptions, load_task
    from remixer.corpus import folder_task

    if isinstance(task, Task):
        return task
    folder = Path(task)
    if folder.is_dir():
        return folder_task(folder, session.reporter)
    return load_task(str(task), TaskOptions(session.settings.data_dir), session.reporter)


def read_recipe(recipe: str | Path, data: str | Path | None, settings: Sequence[str]) -> RunConfig:
    """Return a recipe with changes `KEY=VALUE` on top; `data` is `data.path`.

    Raises `UnknownName` for a recipe that does not ship, `BadInput` for a key or value.
    """
    import json

    from redapter.config_file import read_config

    path = [] if data is None else [f"data.path={json.dumps(str(data), ensure_ascii=False)}"]
    return read_config(str(recipe), [*settings, *path])


def train(
    recipe: str | Path,
    *,
    data: str | Path | None = None,
    output: str | Path | None = None,
    settings: Sequence[str] = (),
    resume: bool = False,
    progress: Reporter | None = None,
) -> TrainingOutcome:
    """Train a model by a recipe: one that ships (`demo`, …) or a TOML file.

    `data` are the rows (a JSONL file, a folder, a hub data set), `output` the run's folder
    (default: `trained/NAME`), `settings` changes such as `loss.kind=infonce`. Raises `BadInput`
    for a recipe or rows that cannot be used, `ModelError` for a loss that is not a number.
    """
    from redapter.train import train as train_run

    session = open_session(progress=progress)
    config = read_recipe(recipe, data, settings)
    folder = Path(output) if output is not None else TRAINED_DIR / config.name
    done = train_run(config, folder, session.reporter, resume=resume)
    return TrainingOutcome(config.name, done.model, done.report, done.steps, done.reused)


def ablate(
    ablation: str | Path | AblationSpec,
    *,
    preset: str = "",
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tasks: Sequence[str] = (),
    settings: Sequence[str] = (),
    output: str | Path | None = None,
    command: tuple[str, ...] = (),
    results: str | Path | None = None,
    cache: str | Path | None = None,
    data: str | Path | None = None,
    progress: Reporter | None = None,
) -> AblationOutcome:
    """Train the variants of a recipe with several seeds, measure each, and write the report.

    `ablation` is `redapter`, `remixer`, a TOML file, or one that was read. Finished data, runs
    and entries are reused. Raises `BadInput` if this machine lacks what the ablation needs; runs
    that failed are in the result.
    """
    from harness.ablation.control.files import check_heads, with_control, write_control
    from harness.ablation.plan import check_variants
    from harness.ablation.report import write_report

    session = open_session(results=results, cache=cache, data=data, progress=progress)
    if isinstance(ablation, str | Path):
        spec = ablation_spec(ablation, preset, variants, seeds, tasks)
    else:
        spec = ablation
    root = ablation_folder(spec, output)
    spec = with_control(spec, root)
    needs = dependencies(spec, session, root, settings)
    check_needs(spec, needs)
    if spec.control.rows:
        check_heads(check_variants(spec, needs))
        write_control(spec.control, root)
    done = _run(spec, needs, session, root, command)
    if spec.control.rows:
        _write_control_page(done, session, root)
    return AblationOutcome(done, write_report(done, root))


def ablation_spec(
    ablation: str | Path,
    preset: str = "",
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tasks: Sequence[str] = (),
) -> AblationSpec:
    """Return an ablation, cut to the variants, seeds and tasks that are named."""
    from harness.ablation.spec import read_spec, restrict
    from harness.data.registry import resolve_tasks

    spec = read_spec(str(ablation), preset)
    named = [task for part in tasks or spec.tasks for task in resolve_tasks(part)]
    return restrict(spec, variants=variants, seeds=seeds, tasks=named)


def ablation_folder(spec: AblationSpec, output: str | Path | None) -> Path:
    """Return the folder that an ablation works in; raises `BadInput` if it is a file."""
    from harness.ablation.run import default_root

    folder = default_root(spec) if output is None else Path(output)
    check_folder(folder)
    return folder


def dependencies(
    spec: AblationSpec, session: Session, root: Path, settings: Sequence[str]
) -> Dependencies:
    """Return what an ablation works with; nothing heavy is loaded yet."""
    from harness.ablation.folds import WrittenFolds
    from harness.ablation.head import CachedVectors, HeadRetriever
    from harness.ablation.ports import Dependencies
    from harness.ablation.redapter import RedapterTrainer
    from harness.ablation.training_data import RemixData
    from harness.data.registry import TaskOptions, load_task
    from harness.loading import retriever

    places = session.settings

    def make_retriever(name: str, folder: Path | None) -> Retriever:
        return retriever(name, places if folder is None else replace(places, cache_dir=folder))

    def load(name: str) -> Task:
        return load_task(name, TaskOptions(places.data_dir), session.reporter)

    data = RemixData(root, places.data_dir, NamedModels(session))
    vectors = CachedVectors(lambda: retriever(spec.reference.model, places), session.reporter)

    @cache
    def folds() -> WrittenFolds:
        written = data.written(spec.data, spec.folds.pool, session.reporter)
        return WrittenFolds(written, spec.folds.count, root)

    return Dependencies(
        trainer=RedapterTrainer(spec.base, tuple(settings), vectors),
        data=data,
        retriever=make_retriever,
        load_task=load,
        reporter=session.reporter,
        head=lambda path: HeadRetriever(vectors, path),
        folds=folds,
        folds_ready=lambda: data.is_written(spec.data, spec.folds.pool),
    )


def check_needs(spec: AblationSpec, needs: Dependencies) -> None:
    """Report what an ablation needs; raises `BadInput` if this machine lacks it."""
    from harness.ablation.needs import absent
    from harness.core.errors import BadInput

    for fact in spec.needs.facts:
        needs.reporter.note(fact)
    lacking = absent(spec.needs)
    if lacking:
        raise BadInput(
            f"this machine lacks what {spec.name} needs: {'; '.join(lacking)}",
            fix="Run it where those are, or try the small one: rebench ablate redapter",
        )


def _write_control_page(done: AblationResult, session: Session, root: Path) -> None:
    """Measure what only a control can tell, and write its page."""
    from harness.ablation.control.page import measure_control, write_page
    from harness.ablation.head import CachedVectors
    from harness.loading import retriever

    def encoder() -> Retriever:
        return retriever(done.spec.reference.model, session.settings)

    vectors = CachedVectors(encoder, session.reporter)
    write_page(done, measure_control(done, vectors), root)


def _run(
    spec: AblationSpec, needs: Dependencies, session: Session, root: Path, command: tuple[str, ...]
) -> AblationResult:
    from harness.ablation.execute import Workspace
    from harness.ablation.run import run_ablation
    from harness.data.local_tasks import DataLocations
    from results.store import ResultStore

    folders = {Path(task).resolve().name: Path(task) for task in spec.tasks if Path(task).is_dir()}
    # Entries on parts of a task, or on an invented one, belong to the ablation, not on a board.
    own = spec.folds.count or spec.control.rows
    store = ResultStore(root / "results") if own else session.store
    workspace = Workspace(root, store, command)
    locations = DataLocations(session.settings.data_dir, folders)
    return run_ablation(spec, needs, workspace, locations, installed_version())


@dataclass(frozen=True, slots=True)
class NamedModels:
    """`harness.ablation.training_data.RemixModels` from the names that `rebench remix` takes."""

    session: Session

    def chat(self, llm: str, name: str, *, tolerant: bool) -> ChatModel | None:
        """Return the language model that a spec names, `None` without a spec."""
        from harness.api.named_models import ChatFlags, chat_model

        return chat_model(ChatFlags(llm or None, name, tolerant=tolerant))

    def retriever(self, name: str) -> Retriever:
        """Return the retriever of a model's name."""
        from harness.api.named_models import mining_retriever

        return mining_retriever(name, self.session.settings)

    def scorer(self, annotator: str, embedder: str) -> CandidateScorer | None:
        """Return the cheap scorer that a name stands for, `None` for a language model."""
        from harness.api.named_models import scorer_for

        return scorer_for(annotator, embedder, self.session.settings)
