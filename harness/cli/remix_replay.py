"""`rebench remix requests|pack|annotator-data`: what is asked, and what is made of answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DataOption, settings_from
from harness.cli.remix import (
    CorpusOption,
    DocumentsOption,
    DomainOption,
    KindOption,
    LimitOption,
    LlmModelOption,
    MaxCharsOption,
    MinCharsOption,
    OutOption,
    SeedOption,
    TaskOption,
    app,
)

if TYPE_CHECKING:
    from harness.core.types import Task
    from remixer.prompt_builder import PromptBuilder
    from remixer.task_profiles import TaskProfile

__all__ = ["app"]

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="JSONL, gzipped by its name.")
]


@app.command("requests")
def requests(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="generate, reason or annotate.")],
    output: OutputOption,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="A run's folder, for reason and annotate."),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", help="Candidates a query, best first.")] = 10,
    task: TaskOption = None,
    corpus: CorpusOption = None,
    documents: DocumentsOption = None,
    kind: KindOption = None,
    domain: DomainOption = "",
    llm_model: LlmModelOption = "",
    seed: SeedOption = 42,
    limit: LimitOption = 10_000,
    min_chars: MinCharsOption = 200,
    max_chars: MaxCharsOption = 5000,
    data: DataOption = None,
) -> None:
    """List what a stage would ask, with the key of each request.

    For a model that is reached by other means, or for people: answer them, and `pack` the answers.
    """
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import SourceFlags, task_and_profile
    from harness.core.files import write_jsonl
    from remixer.config import SelectConfig
    from remixer.written_replies import Listing, list_requests

    reporter = reporter_for_stderr()
    flags = SourceFlags(task, corpus, documents, kind, domain, data)
    loaded, words = task_and_profile(flags, settings_from(data=data), reporter)
    select = SelectConfig(min_chars, max_chars, limit, seed)
    listing = Listing(stage, run, select, depth)
    count = write_jsonl(output, list_requests(loaded, _prompts(words, llm_model, seed), listing))
    reporter.note(f"{count:,} requests in {output}")


@app.command("pack", short_help="Pack written answers into a file for --llm replay:FILE.")
def pack(
    answers: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Answers as JSONL.")],
    output: OutputOption,
    task: TaskOption = None,
    corpus: CorpusOption = None,
    documents: DocumentsOption = None,
    kind: KindOption = None,
    domain: DomainOption = "",
    llm_model: LlmModelOption = "",
    seed: SeedOption = 42,
    data: DataOption = None,
) -> None:
    """Pack written answers into a file for `--llm replay:FILE`; exit 2 if any would be refused."""
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import SourceFlags, task_and_profile
    from remixer.written_replies import pack_answers, read_written, write_packed

    reporter = reporter_for_stderr()
    flags = SourceFlags(task, corpus, documents, kind, domain, data)
    loaded, words = task_and_profile(flags, settings_from(data=data), reporter)
    prompts = _prompts(words, llm_model, seed)
    packed = pack_answers(prompts, _texts(loaded), read_written(answers))
    write_packed(output, packed)
    for problem in packed.problems:
        reporter.warn(problem)
    counts = ", ".join(f"{number:,} {what}" for what, number in packed.counts.items())
    reporter.note(f"{output}: {counts or 'nothing'}")
    if packed.problems:
        raise typer.Exit(2)


@app.command("annotator-data", short_help="Turn annotations into rows to train a judge.")
def annotator_data(
    out: OutOption,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="JSONL, .gz by name.")],
    task: TaskOption = None,
    corpus: CorpusOption = None,
    documents: DocumentsOption = None,
    kind: KindOption = None,
    domain: DomainOption = "",
    llm_model: LlmModelOption = "",
    seed: SeedOption = 42,
    per_label: Annotated[
        int, typer.Option("--per-label", min=0, help="Conversations a label at most; 0: all.")
    ] = 0,
    data: DataOption = None,
) -> None:
    """Turn a run's annotations into conversations for distilling a small annotator."""
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import SourceFlags, task_and_profile
    from remixer.pipeline import write_annotator_data
    from remixer.stages.annotator_data import Balance

    reporter = reporter_for_stderr()
    flags = SourceFlags(task, corpus, documents, kind, domain, data)
    loaded, words = task_and_profile(flags, settings_from(data=data), reporter)
    prompts = _prompts(words, llm_model, seed)
    count = write_annotator_data(output, loaded, prompts, out, Balance(per_label))
    reporter.note(f"{count:,} conversations in {output}")


def _prompts(kind: TaskProfile, model: str, seed: int) -> PromptBuilder:
    """Return how requests are worded; raises `BadInput` without a model's name."""
    from harness.core.errors import BadInput
    from remixer.prompt_builder import PromptBuilder

    if not model:
        raise BadInput("no model is named", fix="Give --llm-model: the name is part of each key.")
    return PromptBuilder(kind, model, model, seed)


def _texts(task: Task) -> Mapping[str, str]:
    """Return document id -> text."""
    corpus = task.corpus
    return {} if corpus is None else corpus.text_of
