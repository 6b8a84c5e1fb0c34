"""The stages one after another in a run's folder; what is done with equal settings is skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.core.errors import BadInput
from harness.core.files import write_jsonl
from harness.core.hashing import corpus_fingerprint
from harness.core.types import Corpus, Json, Task
from models.chat.journal import Journal, TokenTotals
from remixer.config import RemixConfig
from remixer.context import RemixRun, RemixTools, StagePlan
from remixer.prompt_builder import PromptBuilder
from remixer.rows import LabelRow, QueryRow, rows_by_id
from remixer.run_folder import RemixFolder, StageRecord
from remixer.stages import annotate, format, generate, mine, reason, select
from remixer.stages.annotator_data import Balance, annotator_rows
from remixer.task_profiles import TaskProfile

_PLANS: Mapping[str, Callable[[RemixRun], StagePlan]] = {
    "select": select.plan,
    "generate": generate.plan,
    "reason": reason.plan,
    "mine": mine.plan,
    "annotate": annotate.plan,
    "format": format.plan,
}
"""Stage -> its plan, in order; a stage, its command and its module share one name."""

STAGES = tuple(_PLANS)


def run_stages(
    names: Sequence[str],
    task: Task,
    profile: TaskProfile,
    folder: Path,
    config: RemixConfig,
    tools: RemixTools,
) -> dict[str, StageRecord]:
    """Do the named stages in order and return their records.

    A stage is skipped when its file was made with the same settings from the same inputs and none
    of its requests was given up. Interrupted anywhere and started again, the same call goes on
    where it was: no request that was answered is sent again, and the files come out the same.
    Raises `BadInput` when the corpus is empty or the folder belongs to another one, and what the
    stages raise.
    """
    with Journal(_claim(task, folder).journal) as journal:
        run = RemixRun(task, profile, RemixFolder(folder), config, tools, journal)
        for name in names:
            _do(name, run)
    return {name: record for name, record in run.folder.records().items() if name in names}


def token_totals(folder: Path) -> TokenTotals:
    """Return what the replies in a run's journal add up to."""
    with Journal(RemixFolder(folder).journal) as journal:
        return journal.totals


def write_annotator_data(
    output: Path, task: Task, prompts: PromptBuilder, folder: Path, balance: Balance
) -> int:
    """Write a run's annotations as conversations (JSONL, `.gz` by name); return how many.

    `prompts` names the annotator, whose replies are looked up in the run's journal. Raises
    `BadInput` when there are none.
    """
    own = _claim(task, folder)
    corpus = task.corpus or Corpus((), ())
    text_of = corpus.text_of
    queries = rows_by_id(own.rows("generate", QueryRow))
    labels = own.rows("annotate", LabelRow)
    with Journal(own.journal) as journal:
        rows = annotator_rows(journal, prompts, queries, labels, text_of, balance)
        count = write_jsonl(output, rows)
    if not count:
        raise BadInput(
            f"the journal of {folder} has no annotation by {prompts.annotator!r}",
            fix="Name the model that annotated with --llm-model, and the --seed of the run.",
        )
    return count


def _claim(task: Task, folder: Path) -> RemixFolder:
    """Return the folder, marked as this corpus's; raises `BadInput` for an empty corpus."""
    if task.corpus is None or len(task.corpus) == 0:
        raise BadInput(
            f"task {task.name!r} has no documents", fix="Give a task or folder that has some."
        )
    own = RemixFolder(folder)
    identity: dict[str, Json] = {"task": task.name, "corpus": corpus_fingerprint(task.corpus)}
    own.claim(identity)
    return own


def _do(name: str, run: RemixRun) -> None:
    """Do one stage unless it is done."""
    plan = _PLANS[name](run)
    reporter = run.tools.reporter
    record = run.folder.record(name)
    complete = record is not None and not record.counts.get("unanswered")
    if complete and run.folder.done(name, plan.settings, plan.inputs):
        reporter.note(f"{name}: done before")
        return
    counts = plan.work()
    run.folder.finish(name, plan.settings, plan.inputs, counts)
    reporter.note(f"{name}: " + ", ".join(f"{key} {value:,}" for key, value in counts.items()))
    if counts.get("unanswered"):
        reporter.warn(
            f"{name}: {counts['unanswered']:,} requests were given up; run again to ask them again"
        )
