"""The command tree: one line per command, each command in a file of its own."""

from __future__ import annotations

import typer

from harness.cli.lazy_group import CommandEntry, LazyGroup
from harness.cli.option_groups import GroupedCommand

COMMANDS = (
    CommandEntry(
        "eval",
        "harness.cli.evaluate:run",
        "Evaluate models on tasks; what is measured already is reused.",
    ),
    CommandEntry(
        "score", "harness.cli.score:run", "Score somebody else's run by the same protocol."
    ),
    CommandEntry(
        "leaderboard",
        "harness.cli.leaderboard:run",
        "Show what was measured and published, as table, page or file.",
    ),
    CommandEntry(
        "compare",
        "harness.cli.compare:run",
        "Say which differences between systems are real, and where.",
    ),
    CommandEntry(
        "fuse", "harness.cli.fuse:run", "Fuse runs into one system, and store it as an entry."
    ),
    CommandEntry(
        "rerank",
        "harness.cli.rerank:run",
        "Order a run's first documents anew with a cross-encoder or a chat model.",
        GroupedCommand,
    ),
    CommandEntry(
        "pipelines",
        "harness.cli.pipelines:run",
        "List pipelines, or print the file of a published recipe.",
    ),
    CommandEntry("report", "harness.cli.report:run", "Write a report on systems, with figures."),
    CommandEntry(
        "reproduce",
        "harness.cli.reproduce:run",
        "Hold measured numbers against published ones, task by task.",
    ),
    CommandEntry(
        "verify", "harness.cli.verify:run", "Recompute every measured number from its stored run."
    ),
    CommandEntry("train", "harness.cli.train:run", "Train a model by a recipe."),
    CommandEntry(
        "ablate",
        "harness.cli.ablate:run",
        "Train variants of a recipe with several seeds, and compare.",
    ),
    CommandEntry(
        "remix", "harness.cli.remix:app", "Make training data from a corpus with ReMixer."
    ),
    CommandEntry(
        "import",
        "harness.cli.interop:import_results",
        "Take bundles, or result files of mteb or BRIGHT, into the leaderboard.",
    ),
    CommandEntry(
        "export",
        "harness.cli.interop:export",
        "Write entries as bundles, or as files of mteb, BRIGHT or TREC.",
    ),
    CommandEntry(
        "models", "harness.cli.listing:models", "List the models, or show one model's card."
    ),
    CommandEntry("tasks", "harness.cli.listing:tasks", "List the tasks."),
    CommandEntry(
        "doctor",
        "harness.cli.doctor:run",
        "Say what is installed, and what to install for the rest.",
    ),
    CommandEntry(
        "audit", "harness.cli.audit:app", "Hold rewrites and runs against chance: no verdict."
    ),
    CommandEntry(
        "cache", "harness.cli.cache:app", "What the embedding store holds; check and clean it."
    ),
)
"""Every command of `rebench`, in the order in which `--help` lists them."""


class RebenchCommands(LazyGroup):
    """The commands of `rebench`."""

    entries = COMMANDS


app = typer.Typer(
    name="rebench",
    cls=RebenchCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def rebench() -> None:
    """Measure retrievers on reasoning-intensive retrieval, and say which differences are real."""
