"""`rebench remix`: training data from a corpus, whole or stage by stage; every command is here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.cli import remix_audit, remix_replies
from harness.cli.bounded import BoundedCommand
from harness.cli.option_groups import GroupedCommand, flattened
from harness.cli.options import JsonOption
from harness.cli.remix_options import (
    AnnotatorOptions,
    BudgetOptions,
    EmbedderOptions,
    JudgeOptions,
    LlmOptions,
    MiningOptions,
    OutOption,
    PlanOption,
    PriceOptions,
    ProfileOptions,
    PromptOptions,
    QueryOptions,
    ReasonerOptions,
    ReplyOptions,
    RowOptions,
    SeedOptions,
    SelectOptions,
    SourceOptions,
    TrivialOptions,
)

if TYPE_CHECKING:
    from harness.cli.remix_tools import RemixRequest

app = typer.Typer(
    name="remix",
    help="Make training data from a corpus with ReMixer: whole, or stage by stage.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@flattened
def run(
    out: OutOption,
    source: SourceOptions,
    select: SelectOptions,
    queries: QueryOptions,
    embedder: EmbedderOptions,
    mining: MiningOptions,
    annotator: AnnotatorOptions,
    rows: RowOptions,
    trivial: TrivialOptions,
    llm: LlmOptions,
    reasoner: ReasonerOptions,
    judge: JudgeOptions,
    profile: ProfileOptions,
    prompts: PromptOptions,
    replies: ReplyOptions,
    seed: SeedOptions,
    budget: BudgetOptions,
    plan: PlanOption = False,
    as_json: JsonOption = False,
) -> None:
    """Do all stages, from the documents to the training file.

    `--task bright` does the twelve tasks, each in a folder of its own under --out.
    """
    from harness.cli.remix_tools import RemixRequest

    request = RemixRequest(
        "run", out, source, select=select, queries=queries, embedder=embedder, mining=mining,
        annotator=annotator, rows=rows, trivial=trivial, llm=llm, reasoner=reasoner, judge=judge,
        profile=profile, prompts=prompts, replies=replies, seed=seed, budget=budget,
    )  # fmt: skip
    if plan:
        _plan(request, as_json=as_json)
    else:
        _do(request, as_json=as_json)


_ASKING: dict[str, type] = {
    "llm": LlmOptions, "profile": ProfileOptions, "prompts": PromptOptions,
    "replies": ReplyOptions, "seed": SeedOptions, "budget": BudgetOptions,
}  # fmt: skip
_STAGES: dict[str, tuple[str, dict[str, type]]] = {
    "select": (
        "Choose documents, filter them by domain, draw conditions.",
        {"select": SelectOptions, **_ASKING},
    ),
    "generate": ("Write one query per document.", _ASKING),
    "reason": ("Write each query's reasoning.", _ASKING),
    "mine": (
        "Mine candidates for each query, its source excluded.",
        {"queries": QueryOptions, "embedder": EmbedderOptions, "mining": MiningOptions,
         "trivial": TrivialOptions},
    ),
    "annotate": (
        "Judge each candidate from 1 to 5.",
        {"queries": QueryOptions, "annotator": AnnotatorOptions, "embedder": EmbedderOptions,
         **_ASKING},
    ),
    "format": (
        "Write the training file, its Parquet twin and a card.",
        {"queries": QueryOptions, "rows": RowOptions, "trivial": TrivialOptions,
         "profile": ProfileOptions, "seed": SeedOptions, "budget": PriceOptions},
    ),
}  # fmt: skip
"""Stage -> its help, and the groups of options that it honours, by their field of a request."""


def _stage_command(name: str) -> Callable[..., None]:
    """Return the command of one stage: its groups, --out, and --json."""
    help_text, groups = _STAGES[name]
    annotations = {"out": OutOption, "source": SourceOptions, **groups, "as_json": JsonOption}

    def command(*, out: Path, as_json: bool, **options: Any) -> None:
        from harness.cli.remix_tools import RemixRequest

        _do(RemixRequest(name, out, **options), as_json=as_json)

    command.__doc__ = help_text
    command.__annotations__ = annotations
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if key == "as_json" else inspect.Parameter.empty,
            )
            for key in annotations
        ]
    )
    return flattened(command)


def _do(request: RemixRequest, *, as_json: bool) -> None:
    """Do a request's stages on its tasks, and print their counts."""
    from harness.cli.console import print_json, print_table
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import run_request

    counts = run_request(request, reporter_for_stderr())
    if as_json:
        print_json(counts if len(counts) > 1 else next(iter(counts.values())))
        return
    for folder, stages in counts.items():
        rows = [
            {"stage": stage, "count": key, "number": number}
            for stage, numbers in stages.items()
            for key, number in numbers.items()
        ]
        print_table(f"stages in {folder}", rows, as_json=False)


def _plan(request: RemixRequest, *, as_json: bool) -> None:
    """Estimate the whole run from a sample of replies, and print the estimate."""
    from harness.cli.console import print_json, print_table, print_text
    from harness.cli.progress import reporter_for_stderr
    from harness.cli.remix_tools import plan_request
    from remixer.plan import plan_json, plan_notes, plan_rows

    estimate = plan_request(request, reporter_for_stderr())
    if as_json:
        print_json(plan_json(estimate))
        return
    print_table("estimate of the run", plan_rows(estimate), as_json=False)
    for line in plan_notes(estimate):
        print_text(line)


app.command("run", cls=GroupedCommand)(run)
for _name in _STAGES:
    app.command(_name, cls=GroupedCommand)(_stage_command(_name))
app.command("clean", cls=GroupedCommand, hidden=True)(_stage_command("select"))
app.command("requests", cls=GroupedCommand)(remix_replies.requests)
app.command(
    "pack", cls=BoundedCommand, short_help="Pack written answers into a file for --llm replay:FILE."
)(remix_replies.pack)
app.command(
    "annotator-data", cls=BoundedCommand, short_help="Turn annotations into rows to train a judge."
)(remix_replies.annotator_data)
app.command(
    "audit", cls=BoundedCommand, short_help="Look for faults in a training file, ours or any."
)(remix_audit.run)
