"""Training data for an ablation: a file as it is, or made by ReMixer; a difficulty for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.ablation.folds import WrittenQueries, WrittenQuery
from harness.ablation.ports import TrainingData
from harness.core.errors import BadInput
from harness.core.protocols import Reporter, Retriever
from harness.core.types import Corpus

if TYPE_CHECKING:
    from harness.core.types import Task
    from models.chat.protocol import ChatModel
    from redapter.config import RunConfig
    from remixer.config import RemixConfig
    from remixer.run_folder import StageRecord
    from remixer.stages.scorers import CandidateScorer
    from remixer.task_profiles import TaskProfile

EXAMPLE = "example:"
REPLAY = "replay:"
DIGITS = 16
BASE_LOSS = "base-loss"


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How a variant's rows come about: `path` as they are, or made by ReMixer from `task`.

    Options are those of `rebench remix run` by the same names; a file `example:NAME` is one that
    comes with rebench. `candidates` is a run to mine from; `embedder` then only serves
    `annotator = "embedding"`. `difficulty = "base-loss"` gives each row the InfoNCE loss that the
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
    candidates: str = ""
    depth: int = 100
    include_source: bool = False
    annotator: str = "llm"
    positive_from: int = 3
    seed: int = 42
    limit: int = 10_000

    def __post_init__(self) -> None:
        """Refuse rows from two places or none, and a difficulty that nobody computes."""
        given = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        made = [name for name in given if name not in ("path", "difficulty")]
        if self.path and made:
            raise BadInput(
                f"data.path and data.{made[0]} are both given",
                fix="Name a file of rows, or say how ReMixer makes them.",
            )
        if not self.path and not self.task:
            raise BadInput("data names neither a path nor a task", fix="Give data.path or .task.")
        if self.difficulty not in ("", BASE_LOSS):
            raise BadInput(f"data.difficulty = {self.difficulty!r}", fix=f"It may be {BASE_LOSS}.")
        if self.candidates and "embedder" in given and self.annotator != "embedding":
            raise BadInput(
                f"data.embedder = {self.embedder!r} beside data.candidates mines nothing",
                fix="Leave one of them out.",
            )
        if not 2 <= self.positive_from <= 5:
            raise BadInput(f"data.positive_from = {self.positive_from}", fix="From 2 to 5.")


class RemixModels(Protocol):
    """The models that ReMixer works with, made from their names."""

    def chat(self, llm: str, name: str, *, tolerant: bool) -> ChatModel | None:
        """Return the language model that a spec as of `--llm` names; raises `BadInput`."""

    def retriever(self, name: str) -> Retriever:
        """Return the retriever for mining; raises `UnknownName`."""

    def scorer(self, annotator: str, embedder: str) -> CandidateScorer | None:
        """Return the cheap annotator (`None`: the language model judges); raises `BadInput`."""


class RemixData:
    """A `harness.ablation.ports.DataProvider`: data lies under `root/data`, named by a hash.

    `data_dir` is where tasks are looked for.
    """

    def __init__(self, root: Path, data_dir: Path | None, models: RemixModels) -> None:
        self.root = root
        self.data_dir = data_dir
        self.models = models
        self._made: dict[DataOptions, TrainingData] = {}
        self._tasks: dict[tuple[str, str], tuple[Task, TaskProfile]] = {}

    def check(self, options: Mapping[str, Any], where: str) -> None:
        """Raise `BadInput` for options that cannot be followed."""
        read = _options(options, where)
        llm = read.llm.removeprefix(REPLAY)
        for name in (read.path, read.documents, read.sources, read.candidates, llm):
            if name.startswith(EXAMPLE):
                resolve_path(name)

    def is_ready(self, options: Mapping[str, Any], recipe: RunConfig) -> bool:
        """Return whether everything these options make is on disk already."""
        read = _options(options, "data")
        if read.path:
            rows = Path(resolve_path(read.path))
        else:
            rows = self._folder(read) / "training.jsonl.gz"
        return rows.is_file() and (not read.difficulty or self._rated(rows, recipe).is_file())

    def make(
        self, options: Mapping[str, Any], recipe: RunConfig, reporter: Reporter
    ) -> TrainingData:
        """Make the rows, or take what is on disk; then their difficulty, if it is asked for."""
        read = _options(options, "data")
        if read.path:
            data = TrainingData(Path(resolve_path(read.path)))
        else:
            data = self._remix_once(replace(read, difficulty=""), reporter)
        if not read.difficulty:
            return data
        rated = self._rated(data.path, recipe)
        if not rated.is_file():
            from redapter.difficulty import write_difficulty

            write_difficulty(data.path, rated, recipe, reporter)
        facts = {**data.facts, "difficulty": "InfoNCE loss of the untrained base on the row"}
        return TrainingData(rated, facts=facts)

    def written(
        self, options: Mapping[str, Any], pool: Sequence[str], reporter: Reporter
    ) -> WrittenQueries:
        """Return the written queries with the judgements of the candidates of all of `pool`."""
        from remixer.rows import LabelRow, QueryRow, read_stage
        from remixer.run_folder import RemixFolder

        judged: dict[str, dict[str, int]] = {}
        queries: dict[str, str] = {}
        for read in _pooled(options, pool):
            self._remix_once(replace(read, difficulty=""), reporter)
            folder = RemixFolder(self._folder(read))
            for query in read_stage(folder.file("generate"), QueryRow):
                queries[query.doc_id] = query.query
            for row in read_stage(folder.file("annotate"), LabelRow):
                labels = zip(row.candidates, row.labels, strict=True)
                judged.setdefault(row.doc_id, {}).update(
                    {doc: label for doc, label in labels if label}
                )
        task, _ = self._task(_options(options, "data"))
        return WrittenQueries(
            queries=tuple(
                WrittenQuery(source, text, source, judged.get(source, {}))
                for source, text in queries.items()
            ),
            corpus=task.corpus or Corpus((), ()),
            prompt_fields=task.prompt_fields,
            pool=tuple(pool),
        )

    def is_written(self, options: Mapping[str, Any], pool: Sequence[str]) -> bool:
        """Return whether the candidates of all of `pool` are judged already."""
        folders = map(self._folder, _pooled(options, pool))
        return all((folder / "training.jsonl.gz").is_file() for folder in folders)

    def _folder(self, options: DataOptions) -> Path:
        """Return the folder of a ReMixer run: named by its options, files by their content."""
        from harness.core.hashing import corpus_fingerprint, sha256_file, sha256_json

        values = {each.name: getattr(options, each.name) for each in fields(options)}
        del values["difficulty"], values["documents"]
        task, _ = self._task(options)
        values["corpus"] = corpus_fingerprint(task.corpus or Corpus((), ()))
        for name in ("sources", "llm", "candidates"):
            path = Path(resolve_path(values[name].removeprefix(REPLAY)))
            if path.is_file():
                values[name] = sha256_file(path)
        return self.root / "data" / sha256_json(values)[:DIGITS]

    def _task(self, options: DataOptions) -> tuple[Task, TaskProfile]:
        """Return the task whose documents are used, and its kind; read once."""
        from harness.core.progress import SilentReporter
        from harness.data.registry import TaskOptions, load_task, resolve_tasks
        from remixer.corpus import only_documents
        from remixer.task_profiles import load_profile, profile_name

        key = options.task, options.documents
        if key not in self._tasks:
            names = resolve_tasks(options.task)
            if len(names) > 1:
                raise BadInput(f"data.task is {len(names)} tasks", fix="Name one of them.")
            task = load_task(names[0], TaskOptions(self.data_dir), SilentReporter())
            if options.documents:
                task = only_documents(task, Path(resolve_path(options.documents)))
            self._tasks[key] = task, load_profile(profile_name(task.name), task.prompt_fields, "")
        return self._tasks[key]

    def _rated(self, rows: Path, recipe: RunConfig) -> Path:
        """Return where rows with their difficulty go: named by rows, base, lengths, temperature."""
        from harness.core.hashing import sha256_file, sha256_json
        from redapter.difficulty import difficulty_identity

        key = "none"
        if rows.is_file():
            key = sha256_json([sha256_file(rows), difficulty_identity(recipe)])
        return self.root / "data" / f"difficulty-{key[:DIGITS]}.jsonl.gz"

    def _miner(self, options: DataOptions) -> Retriever:
        """Return what mines: the run of candidates, or the retriever that is named."""
        from remixer.candidate_run import CandidateRun

        if not options.candidates:
            return self.models.retriever(options.embedder)
        path = Path(resolve_path(options.candidates))
        return CandidateRun(path, tolerant=options.replay_tolerant)

    def _remix_once(self, options: DataOptions, reporter: Reporter) -> TrainingData:
        """Run ReMixer for these options, once for all variants that share them."""
        if options not in self._made:
            self._made[options] = self._remix(options, reporter)
        return self._made[options]

    def _remix(self, options: DataOptions, reporter: Reporter) -> TrainingData:
        """Run ReMixer's stages into the options' folder."""
        from models.chat.dispatch import FailureLimits
        from remixer.context import RemixTools
        from remixer.pipeline import STAGES, run_stages

        task, kind = self._task(options)
        llm = options.llm
        if llm.startswith(REPLAY):
            llm = f"{REPLAY}{resolve_path(llm.removeprefix(REPLAY))}"
        tools = RemixTools(
            reporter=reporter,
            chat=self.models.chat(llm, options.llm_model, tolerant=options.replay_tolerant),
            retriever=self._miner(options),
            scorer=self.models.scorer(options.annotator, options.embedder),
            limits=FailureLimits(unanswered=1.0) if options.replay_tolerant else FailureLimits(),
        )
        stages = tuple(stage for stage in STAGES if options.reason or stage != "reason")
        folder = self._folder(options)
        records = run_stages(stages, task, kind, folder, _config(options), tools)
        path = folder / "training.jsonl.gz"
        audit = _audit_summary(path, options.task, self.data_dir)
        return TrainingData(path, facts={**_facts(options, records), "audit": audit})


def _audit_summary(path: Path, task: str, data_dir: Path | None) -> str:
    """Return what `rebench remix audit` says of a file held against its task."""
    from harness.core.progress import SilentReporter
    from harness.data.registry import TaskOptions, load_task
    from remixer.audit.report import violation_lines
    from remixer.audit.run import AuditTools, audit
    from remixer.audit.scan import AuditSampling

    def load() -> Task:
        return load_task(task, TaskOptions(data_dir), SilentReporter())

    result = audit(path, AuditTools(SilentReporter(), (cache(load),)), AuditSampling())
    return "; ".join(violation_lines(result)) or f"compared with {task}, no limit is exceeded"


def resolve_path(name: str) -> str:
    """Return where a file lies; `example:NAME` is one of ReMixer's; raises `BadInput`."""
    if not name.startswith(EXAMPLE):
        return name
    from importlib.resources import files

    path = Path(str(files("remixer").joinpath("examples", name.removeprefix(EXAMPLE))))
    if not path.is_file():
        raise BadInput(f"{name}: no such example", fix=f"There is no {path.name} in ReMixer's.")
    return str(path)


def _options(values: Mapping[str, Any], where: str) -> DataOptions:
    from harness.core.config import dataclass_from_table

    return dataclass_from_table(DataOptions, values, where, "data.")


def _pooled(options: Mapping[str, Any], pool: Sequence[str]) -> list[DataOptions]:
    """Return the options with each of `pool` as the miner: a run of candidates, or a retriever.

    A run is an `example:` or a file; anything else is a name as in `eval --model`.
    """
    plain = {key: value for key, value in options.items() if key not in ("embedder", "candidates")}
    return [
        _options({**plain, "candidates" if _is_run(name) else "embedder": name}, "data")
        for name in pool
    ]


def _is_run(name: str) -> bool:
    return name.startswith(EXAMPLE) or Path(name).is_file()


def _config(options: DataOptions) -> RemixConfig:
    from remixer.config import MineOptions, RemixConfig, SelectConfig
    from remixer.corpus import named_documents

    select = replace(SelectConfig(), limit=options.limit, seed=options.seed)
    only = named_documents(Path(resolve_path(options.sources))) if options.sources else None
    mining = MineOptions(options.depth, options.include_source)
    return RemixConfig(
        select, options.clean, options.reason, mining, only, positive_from=options.positive_from
    )


def _facts(options: DataOptions, records: Mapping[str, StageRecord]) -> dict[str, str]:
    """Return what a report says of the data."""
    counts = records["format"].counts
    miner = options.candidates or options.embedder
    source = "included and the only positive" if options.include_source else "left out"
    return {
        "documents": options.task,
        "queries": f"{counts['queries']:,}, of which {counts['rows']:,} have a positive and a "
        "negative",
        "candidates": f"at most {options.depth} by {miner}, the source {source}",
        "labels": f"{options.annotator}; positive from {options.positive_from}",
    }
