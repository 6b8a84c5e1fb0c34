"""`rebench remix requests|pack|annotator-data`: what is asked, and what is made of answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.option_groups import flattened
from harness.cli.remix_options import (
    OutOption,
    ProfileOptions,
    PromptOptions,
    SeedOptions,
    SelectOptions,
    SourceOptions,
)

if TYPE_CHECKING:
    from remixer.prompt_builder import PromptBuilder
    from remixer.task_profiles import TaskProfile

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="JSONL, gzipped by its name.")
]
ModelOption = Annotated[
    str, typer.Option("--llm-model", metavar="NAME", help="The model's name, part of every key.")
]


@flattened
def requests(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="generate, reason or annotate.")],
    output: OutputOption,
    source: SourceOptions,
    select: SelectOptions,
    profile: ProfileOptions,
    prompts: PromptOptions,
    seed: SeedOptions,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="A run's folder, for reason and annotate."),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", help="Candidates per query, best first.")] = 10,
    llm_model: ModelOption = "",
) -> None:
    """List what a stage would ask, and the keys of its requests.

    For a model that is reached by other means, or for people: answer them, and `pack` the answers.
    """
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import one_task
    from harness.core.files import write_jsonl
    from remixer.config import SelectConfig
    from remixer.written_replies import Listing, list_requests

    reporter = reporter_for_stderr()
    own = one_task(source, profile, prompts, reporter)
    config = SelectConfig(select.min_chars, select.max_chars, select.limit, seed.seed)
    listing = Listing(stage, run, config, depth)
    builder = _builder(own.profile, llm_model, prompts, seed)
    count = write_jsonl(output, list_requests(own.task, builder, listing))
    reporter.note(f"{count:,} requests in {output}")


@flattened
def pack(
    answers: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Answers as JSONL.")],
    output: OutputOption,
    source: SourceOptions,
    profile: ProfileOptions,
    prompts: PromptOptions,
    seed: SeedOptions,
    llm_model: ModelOption = "",
) -> None:
    """Pack written answers into a file for `--llm replay:FILE`; exit 2 if any would be refused."""
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import one_task
    from remixer.written_replies import pack_answers, read_written, write_packed

    reporter = reporter_for_stderr()
    own = one_task(source, profile, prompts, reporter)
    builder = _builder(own.profile, llm_model, prompts, seed)
    text_of = own.task.corpus.text_of if own.task.corpus is not None else {}
    packed = pack_answers(builder, text_of, read_written(answers))
    write_packed(output, packed)
    for problem in packed.problems:
        reporter.warn(problem)
    counts = ", ".join(f"{number:,} {what}" for what, number in packed.counts.items())
    reporter.note(f"{output}: {counts or 'nothing'}")
    if packed.problems:
        raise typer.Exit(2)


@flattened
def annotator_data(
    out: OutOption,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="JSONL, .gz by name.")],
    source: SourceOptions,
    profile: ProfileOptions,
    prompts: PromptOptions,
    seed: SeedOptions,
    llm_model: ModelOption = "",
    per_label: Annotated[
        int, typer.Option("--per-label", min=0, help="Most conversations per label; 0: all.")
    ] = 0,
) -> None:
    """Turn a run's annotations into conversations for distilling a small annotator."""
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import one_task
    from remixer.pipeline import write_annotator_data
    from remixer.stages.annotator_data import Balance

    reporter = reporter_for_stderr()
    own = one_task(source, profile, prompts, reporter)
    builder = _builder(own.profile, llm_model, prompts, seed)
    count = write_annotator_data(output, own.task, builder, out, Balance(per_label))
    reporter.note(f"{count:,} conversations in {output}")


def _builder(
    profile: TaskProfile, model: str, prompts: PromptOptions, seed: SeedOptions
) -> PromptBuilder:
    """Return how requests are worded; raises `BadInput` without a model's name."""
    from harness.core.errors import BadInput
    from remixer.prompt_builder import PromptBuilder
    from remixer.prompt_files import PromptFiles

    if not model:
        raise BadInput("no model is named", fix="Give --llm-model: the name is part of each key.")
    files = PromptFiles(prompts.prompts, additions=not prompts.released_wording)
    return PromptBuilder(profile, model, model, seed.seed, files=files)
