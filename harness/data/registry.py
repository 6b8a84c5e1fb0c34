"""Every task by name: groups, the table of `rebench tasks`, and loading, from one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BadInput, UnknownName
from harness.core.progress import SilentReporter
from harness.core.protocols import Reporter
from harness.core.types import PromptFields, Task
from harness.data import bright_tasks, embedded
from harness.data.embedded_task import HEAD_METRIC
from harness.data.grounds.names import PREFIX, GroundName, folder_name, hub_name
from harness.data.grounds.table import GROUNDS, Ground
from harness.data.grounds.table import HEAD_METRIC as GROUND_METRIC
from harness.data.query_sets import is_query_file, with_query_file

_LISTING = "`rebench tasks` lists them; a folder is named by its path, others as hub:ORG/NAME."


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How tasks are loaded.

    `data_dir` is a local copy of BRIGHT, and of others in `ORG/NAME` below it (`None`: the hub);
    `query_set` is one of BRIGHT's or a
    `.jsonl` or `.json` file; `with_corpus` is false where runs are only scored.
    """

    data_dir: Path | None = None
    query_set: str = bright_tasks.ORIGINAL
    with_corpus: bool = True


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line of the table of tasks; `documents` is `None` where the interpreter decides.

    `floor` is nDCG@10 of one fixed list for all queries, as `harness.metrics.floor` computes it;
    `None` where it is not written down.
    """

    name: str
    group: str
    queries: int
    documents: int | None
    head_metric: str
    floor: float | None
    source: str
    licence: str


def task_rows() -> tuple[TaskRow, ...]:
    """Return the table of named tasks, in order: BRIGHT's, others of the hub, embedded ones."""
    return (
        *map(_bright_row, bright_tasks.TASKS.values()),
        *map(_ground_row, GROUNDS.values()),
        *_embedded_rows(),
    )


def _embedded_rows() -> tuple[TaskRow, ...]:
    """Return the lines of the embedded tasks."""
    from harness.data.situations import read_situations

    return tuple(
        TaskRow(
            name=name,
            group=group.name,
            queries=queries,
            documents=None,
            head_metric=HEAD_METRIC,
            floor=None,
            source=group.source,
            licence=group.licence,
        )
        for group in embedded.GROUPS.values()
        for queries in (len(read_situations(group.collection)),)
        for name in group.tasks
    )


def _bright_row(task: bright_tasks.BrightTask) -> TaskRow:
    """Return the line of one BRIGHT task."""
    return TaskRow(
        name=task.name,
        group=task.group,
        queries=task.counts.queries,
        documents=task.counts.documents,
        head_metric=task.head_metric,
        floor=task.floor,
        source=f"hub: {bright_tasks.REPOSITORY} @ {bright_tasks.REVISION[:7]}",
        licence=bright_tasks.LICENCE,
    )


def _ground_row(ground: Ground) -> TaskRow:
    """Return the line of another task of the hub."""
    revision = f" @ {ground.revision[:7]}" if ground.revision else ""
    split = f" # {ground.split}" if ground.split else ""
    return TaskRow(
        name=ground.name,
        group=ground.group,
        queries=ground.counts.queries,
        documents=ground.counts.documents,
        head_metric=GROUND_METRIC,
        floor=None,
        source=f"hub: {ground.repository}{revision}{split}",
        licence=ground.source.licence,
    )


def task_wordings() -> dict[str, PromptFields]:
    """Return named task -> the words that instructions are filled with."""
    found = {name: task.prompt_fields for name, task in bright_tasks.TASKS.items()}
    found |= {name: ground.prompt_fields for name, ground in GROUNDS.items()}
    return {**found, **{name: task.group.wording for name, task in embedded.TASKS.items()}}


def groups() -> dict[str, tuple[str, ...]]:
    """Return group -> its tasks, both in the table's order."""
    found: dict[str, tuple[str, ...]] = {}
    for task in bright_tasks.TASKS.values():
        found[task.group] = (*found.get(task.group, ()), task.name)
    for ground in GROUNDS.values():
        found[ground.group] = (*found.get(ground.group, ()), ground.name)
    found.update((name, tuple(group.tasks)) for name, group in embedded.GROUPS.items())
    return {**found, embedded.GROUP: tuple(embedded.TASKS)}


def boards_of(name: str) -> tuple[str, ...]:
    """Return the groups that a task or group is ranked in: itself, or those that it unites."""
    return tuple(embedded.GROUPS) if name == embedded.GROUP else (name,)


def known_facts(name: str, revision: str) -> dict[str, str]:
    """Return the group and the revision of a built-in task; nothing for a folder.

    `revision` is one that a result names: data read from a folder has one of its own.
    """
    if name in bright_tasks.TASKS:
        known = (bright_tasks.REVISION, bright_tasks.LOCAL)
        right = revision if revision in known else bright_tasks.REVISION
        return {"group": bright_tasks.TASKS[name].group, "revision": right}
    if name in GROUNDS:
        ground = GROUNDS[name]
        known = (ground.revision, bright_tasks.LOCAL)
        right = revision if revision in known or not ground.revision else ground.revision
        return {"group": ground.group, "revision": right}
    if name in embedded.TASKS:
        return {"group": embedded.TASKS[name].group.name}
    return {"group": name} if name in embedded.GROUPS else {}


def group_members(group: str) -> tuple[str, ...]:
    """Return the tasks of a group; raises `UnknownName`."""
    known = groups()
    if group not in known:
        raise UnknownName("task group", group, known, listing=f"Groups: {', '.join(known)}.")
    return known[group]


def resolve_tasks(spec: str) -> tuple[str, ...]:
    """Return the tasks that a comma-separated list names, each once, in its order.

    A part is a task, a group, `hub:ORG/NAME[@REV][:SUBSET][#SPLIT]`, or the path of a folder with
    such a part of it; names come before paths. Nothing is fetched. Raises `UnknownName`, or
    `BadInput` for an empty list, another form, or a folder that holds no corpus.
    """
    known = groups()
    names = [*bright_tasks.TASKS, *GROUNDS, *embedded.TASKS]
    found: dict[str, None] = {}
    for part in filter(None, (part.strip() for part in spec.split(","))):
        if part in known:
            found.update(dict.fromkeys(known[part]))
        elif part in names or source_of(part) is not None:
            found[part] = None
        else:
            raise UnknownName("task", part, [*known, *names], listing=_LISTING)
    if not found:
        raise BadInput(f"no task is named in {spec!r}", fix=_LISTING)
    return tuple(found)


def load_task(name: str, options: TaskOptions, reporter: Reporter | None = None) -> Task:
    """Load a task that `resolve_tasks` gave.

    Raises `UnknownName` for a task or query set, `BadInput` for data that cannot be used or a
    query set that the task does not have, `DataUnavailable` when there is nothing to read.
    """
    reporter = reporter or SilentReporter()
    query_set = options.query_set
    file = Path(query_set) if is_query_file(query_set) else None
    if file is None and query_set not in bright_tasks.QUERY_SETS:
        raise UnknownName(
            "query set",
            query_set,
            bright_tasks.QUERY_SETS,
            listing=f"Known: {', '.join(bright_tasks.QUERY_SETS)}, or a .jsonl or .json file.",
        )
    own = bright_tasks.ORIGINAL if file is not None else query_set
    if name not in bright_tasks.TASKS and own != bright_tasks.ORIGINAL:
        raise BadInput(
            f"task {name!r} has no query set {query_set!r}; only BRIGHT has it",
            fix="Leave it out, or give the queries as a FILE.jsonl or .json.",
        )
    task = _load(name, options, own, reporter)
    return task if file is None else with_query_file(task, file)


def _load(name: str, options: TaskOptions, query_set: str, reporter: Reporter) -> Task:
    """Load a task with one of its own query sets."""
    if name in bright_tasks.TASKS:
        from harness.data.bright import load_bright

        return load_bright(
            name,
            data_dir=options.data_dir,
            query_set=query_set,
            with_corpus=options.with_corpus,
            reporter=reporter,
        )
    if name in embedded.TASKS:
        return embedded.TASKS[name].load()
    if name in GROUNDS:
        from harness.data.grounds.load import load_known_ground

        return load_known_ground(
            name,
            data_dir=options.data_dir,
            with_corpus=options.with_corpus,
            reporter=reporter,
        )
    return _load_unnamed(name, options, reporter)


def _load_unnamed(name: str, options: TaskOptions, reporter: Reporter) -> Task:
    """Load a task of the hub that no table knows, or of a folder."""
    from harness.data.beir import load_beir
    from harness.data.grounds.files import has_hub_layout

    source = source_of(name)
    if source is None:
        known = [*bright_tasks.TASKS, *GROUNDS, *embedded.TASKS]
        raise UnknownName("task", name, known, listing=_LISTING)
    if source.folder is not None and not source.part and not has_hub_layout(source.folder):
        return load_beir(source.folder, with_corpus=options.with_corpus, reporter=reporter)
    from harness.data.grounds.load import load_hub_task

    return load_hub_task(source, with_corpus=options.with_corpus, reporter=reporter)


def source_of(part: str) -> GroundName | None:
    """Return where a task without a name of its own lies: on the hub, or in a folder.

    `None` for what is neither. Raises `BadInput` for a malformed `hub:` name, and for a folder
    that holds no task.
    """
    if part.startswith(PREFIX):
        return hub_name(part)
    found = folder_name(part)
    if found is not None and found.folder is not None:
        _require_task(found.folder)
    return found


def documents_at_hand(name: str) -> bool:
    """Tell whether a task's documents are here without a download: embedded, or in a folder."""
    if name in embedded.TASKS:
        return True
    known = name in bright_tasks.TASKS or name in GROUNDS
    return not known and not name.startswith(PREFIX)


def _require_task(folder: Path) -> None:
    """Raise `BadInput` for a folder that has neither BEIR's layout nor one of the hub's."""
    from harness.data.beir import is_beir_folder
    from harness.data.grounds.files import has_hub_layout

    if not is_beir_folder(folder) and not has_hub_layout(folder):
        raise BadInput(
            f"{folder} holds no corpus.jsonl or corpus.jsonl.gz, and no corpus in a layout of the "
            "hub",
            fix="BEIR's layout is corpus.jsonl, queries.jsonl and qrels/test.tsv; docs/tasks.md "
            "has the others.",
        )
