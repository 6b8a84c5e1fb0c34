"""The command tree: one line per command, each command in a file of its own."""

from __future__ import annotations

import typer

from harness.cli import (
    ablate,
    audit,
    cache,
    compare,
    doctor,
    evaluate,
    fuse,
    interop,
    leaderboard,
    listing,
    pipelines,
    remix,
    report,
    reproduce,
    rerank,
    score,
    train,
    verify,
)
from harness.cli.option_groups import GroupedCommand

app = typer.Typer(
    name="rebench",
    help="Measure retrievers on reasoning-intensive retrieval, and say which differences are real.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("eval", short_help="Evaluate models on tasks; what is measured already is reused.")(
    evaluate.run
)
app.command("score", short_help="Score somebody else's run by the same protocol.")(score.run)
app.command(
    "leaderboard", short_help="Show what was measured and published, as table, page or file."
)(leaderboard.run)
app.command("compare", short_help="Say which differences between systems are real, and where.")(
    compare.run
)
app.command("fuse", short_help="Fuse runs into one system, and store it as an entry.")(fuse.run)
app.command(
    "rerank",
    cls=GroupedCommand,
    short_help="Order a run's first documents anew with a cross-encoder or a chat model.",
)(rerank.run)
app.command("pipelines", short_help="List pipelines, or print the file of a published recipe.")(
    pipelines.run
)
app.command("report", short_help="Write a report on systems, with figures.")(report.run)
app.command("reproduce", short_help="Hold measured numbers against published ones, task by task.")(
    reproduce.run
)
app.command("verify", short_help="Recompute every measured number from its stored run.")(verify.run)
app.command("train", short_help="Train a model by a recipe.")(train.run)
app.command("ablate", short_help="Train variants of a recipe with several seeds, and compare.")(
    ablate.run
)
app.add_typer(remix.app, name="remix", short_help="Make training data from a corpus with ReMixer.")
app.command("import", short_help="Read result files of mteb or BRIGHT into the leaderboard.")(
    interop.import_results
)
app.command("export", short_help="Write entries as files of mteb, BRIGHT or TREC.")(interop.export)
app.command("models", short_help="List the models, or show one model's card.")(listing.models)
app.command("tasks", short_help="List the tasks.")(listing.tasks)
app.command("doctor", short_help="Say what is installed, and what to install for the rest.")(
    doctor.run
)
app.add_typer(
    audit.app, name="audit", short_help="Hold rewrites and runs against chance: no verdict."
)
app.add_typer(cache.app, name="cache")
