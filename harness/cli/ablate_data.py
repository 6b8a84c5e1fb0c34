"""Training data for an ablation: a file as it is, or made by ReMixer; a difficulty for each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.ablation.tools import Made, Recipe
from harness.core.errors import BadInput
from harness.core.protocols import Reporter

if TYPE_CHECKING:
    from harness.core.settings import Settings
    from harness.core.types import Task
    from remixer.folder import StageRecord
    from remixer.kinds import Kind

EXAMPLE = "example:"
REPLAY = "replay:"
DIGITS = 16
BASE_LOSS = "base-loss"


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How a variant's rows come about: `path` as they are, or `task` and what follows by ReMixer.

    Options are those of `rebench remix run` by the same names; a file `example:NAME` is one that
    comes with rebench. `difficulty = "base-loss"` gives each row the InfoNCE loss that the
    untrained base has on it, which static weights read. Raises `BadInput`.
    """

    path: str = ""
    difficulty: str = ""
    task: str = ""
    documents: str = ""
    sources: str = ""
    llm: str = ""
    llm_model: str = ""
    replay_tolerant: bool = False
    clean: bool = True
    reason: bool = True
    embedder: str = "bm25"
    depth: int = 100
    include_source: bool = False
    annotator: str = "llm"
    positive_from: int = 3
    seed: int = 42
    limit: int = 10_000

    def __post_init__(self) -> None:
        """Refuse rows from two places or none, and a difficulty that nobody computes."""
        own = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        made = [name for name in own if name not in ("path", "difficulty")]
        if self.path and made:
            raise BadInput(
                f"data.path and data.{made[0]} are both given",
                fix="Name a file of rows, or say how ReMixer makes them.",
            )
        if not self.path and not self.task:
            raise BadInput("data names neither a path nor a task", fix="Give data.path or .task.")
        if self.difficulty not in ("", BASE_LOSS):
            raise BadInput(f"data.difficulty = {self.difficulty!r}", fix=f"It may be {BASE_LOSS}.")
        if not 2 <= self.positive_from <= 5:
            raise BadInput(f"data.positive_from = {self.positive_from}", fix="From 2 to 5.")


class DataMaker:
    """A `MakeData`: data lies under `root/data`, named by the hash of its options."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings
        self._made: dict[DataOptions, Made] = {}
        self._tasks: dict[tuple[str, str], tuple[Task, Kind]] = {}

    def check(self, options: Mapping[str, Any], where: str) -> None:
        """Raise `BadInput` for options that cannot be followed."""
        told = _options(options, where)
        for name in (told.path, told.documents, told.sources, told.llm.removeprefix(REPLAY)):
            if name.startswith(EXAMPLE):
                place(name)

    def there(self, options: Mapping[str, Any], recipe: Recipe) -> bool:
        """Tell whether making would find everything done."""
        told = _options(options, "data")
        base = Path(place(told.path)) if told.path else self._folder(told) / "training.jsonl.gz"
        return base.is_file() and (not told.difficulty or self._rated(base, recipe).is_file())

    def make(self, options: Mapping[str, Any], recipe: Recipe, reporter: Reporter) -> Made:
        """Make the rows, or take what is there; then their difficulty, where it is asked for."""
        told = _options(options, "data")
        made = Made(Path(place(told.path))) if told.path else self._once(told, reporter)
        if not told.difficulty:
            return made
        rated = self._rated(made.path, recipe)
        if not rated.is_file():
            from harness.cli.ablate_difficulty import write_difficulty

            write_difficulty(made.path, rated, recipe, reporter)
        facts = {**made.facts, "difficulty": "InfoNCE loss of the untrained base on the row"}
        return Made(rated, facts=facts)

    def _folder(self, options: DataOptions) -> Path:
        """Return the folder of a ReMixer run: named by its options, files by what they hold."""
        from harness.core.hashing import corpus_fingerprint, sha256_file, sha256_json
        from harness.core.types import Corpus

        values = {each.name: getattr(options, each.name) for each in fields(options)}
        del values["difficulty"], values["documents"]
        task, _ = self._task(options)
        values["corpus"] = corpus_fingerprint(task.corpus or Corpus((), ()))
        for name in ("sources", "llm"):
            path = Path(place(values[name].removeprefix(REPLAY)))
            if path.is_file():
                values[name] = sha256_file(path)
        return self.root / "data" / sha256_json(values)[:DIGITS]

    def _task(self, options: DataOptions) -> tuple[Task, Kind]:
        """Return the task whose documents are used, and its kind; read once."""
        from harness.cli.remix_tools import SourceFlags, task_and_kind
        from harness.core.progress import SilentReporter

        key = options.task, options.documents
        if key not in self._tasks:
            documents = Path(place(options.documents)) if options.documents else None
            source = SourceFlags(options.task, None, documents, None, "", self.settings.data_dir)
            self._tasks[key] = task_and_kind(source, self.settings, SilentReporter())
        return self._tasks[key]

    def _rated(self, rows: Path, recipe: Recipe) -> Path:
        """Return where rows with their difficulty go: named by rows, base, lengths, temperature."""
        from harness.cli.ablate_difficulty import identity
        from harness.core.hashing import sha256_file, sha256_json

        key = sha256_json([sha256_file(rows), identity(recipe)]) if rows.is_file() else "none"
        return self.root / "data" / f"difficulty-{key[:DIGITS]}.jsonl.gz"

    def _once(self, options: DataOptions, reporter: Reporter) -> Made:
        """Run ReMixer for these options, once for all variants that share them."""
        bare = replace(options, difficulty="")
        if bare not in self._made:
            self._made[bare] = self._remix(bare, reporter)
        return self._made[bare]

    def _remix(self, options: DataOptions, reporter: Reporter) -> Made:
        """Run ReMixer's stages into the options' folder."""
        from harness.cli.remix_tools import (
            ModelFlags,
            chat_model,
            retriever_for,
            scorer_for,
        )
        from models.chat.dispatch import FailureLimits
        from remixer.pipeline import STAGES, run_stages
        from remixer.stages import Tools

        task, kind = self._task(options)
        llm = options.llm
        if llm.startswith(REPLAY):
            llm = f"{REPLAY}{place(llm.removeprefix(REPLAY))}"
        flags = ModelFlags(llm or None, options.llm_model, 64, "vllm", options.replay_tolerant)
        tools = Tools(
            reporter=reporter,
            chat=chat_model(flags),
            retriever=retriever_for(options.embedder, self.settings),
            scorer=scorer_for(options.annotator, options.embedder, self.settings),
            limits=FailureLimits(3, 0.5, 1.0 if options.replay_tolerant else 0.02),
        )
        stages = tuple(stage for stage in STAGES if options.reason or stage != "reason")
        folder = self._folder(options)
        records = run_stages(stages, task, kind, folder, _config(options), tools)
        path = folder / "training.jsonl.gz"
        audited = _audited(path, options.task, self.settings)
        return Made(path, facts={**_facts(options, records), "audit": audited})


def _audited(path: Path, task: str, settings: Settings) -> str:
    """Return what `rebench remix audit` says of a file held against its task."""
    from harness.core.progress import SilentReporter
    from harness.data.registry import TaskOptions, load_task
    from remixer.audit import AuditTools, audit
    from remixer.audit_report import broken_lines
    from remixer.audit_scan import Sampling

    def load() -> Task:
        return load_task(task, TaskOptions(settings.data_dir), SilentReporter())

    found = audit(path, AuditTools(SilentReporter(), (cache(load),)), Sampling())
    return "; ".join(broken_lines(found)) or f"held against {task}, no limit is passed"


def place(name: str) -> str:
    """Return where a file lies; `example:NAME` is one of ReMixer's; raises `BadInput`."""
    if not name.startswith(EXAMPLE):
        return name
    from importlib.resources import files

    path = Path(str(files("remixer").joinpath("examples", name.removeprefix(EXAMPLE))))
    if not path.is_file():
        raise BadInput(f"{name}: no such example", fix=f"There is no {path.name} in ReMixer's.")
    return str(path)


def _options(values: Mapping[str, Any], where: str) -> DataOptions:
    """Return the options of a table; raises `BadInput` with did-you-mean."""
    from harness.core.tables import build_table

    return build_table(DataOptions, values, where, "data.")


def _config(options: DataOptions) -> Any:
    """Return ReMixer's configuration."""
    from remixer.conditions import SelectConfig
    from remixer.corpus import named_documents
    from remixer.mine import MineOptions
    from remixer.stages import RemixConfig

    select = replace(SelectConfig(), limit=options.limit, seed=options.seed)
    only = named_documents(Path(place(options.sources))) if options.sources else None
    mining = MineOptions(options.depth, options.include_source)
    return RemixConfig(
        select, options.clean, options.reason, mining, only, positive_from=options.positive_from
    )


def _facts(options: DataOptions, records: Mapping[str, StageRecord]) -> dict[str, str]:
    """Return what a report tells of the data."""
    counts = records["format"].counts
    return {
        "documents": options.task,
        "queries": f"{counts['queries']:,}, of which {counts['rows']:,} have a positive and a "
        "negative",
        "candidates": f"{options.depth} by {options.embedder}, the source "
        + ("included and the only positive" if options.include_source else "left out"),
        "labels": f"{options.annotator}; positive from {options.positive_from}",
    }
