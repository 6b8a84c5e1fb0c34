"""The command tree: one line per command, each command in a file of its own."""

from __future__ import annotations

import typer

from harness.cli import (
    ablate,
    cache,
    compare,
    doctor,
    evaluate,
    exchange,
    leaderboard,
    listing,
    remix_audit,
    remix_replay,
    report,
    reproduce,
    score,
    train,
    verify,
)

app = typer.Typer(
    name="rebench",
    help="Measure retrievers on reasoning-intensive retrieval, and say which differences are real.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("eval")(evaluate.run)
app.command("score")(score.run)
app.command("leaderboard")(leaderboard.run)
app.command("compare")(compare.run)
app.command("report")(report.run)
app.command("reproduce")(reproduce.run)
app.command("verify")(verify.run)
app.command("train")(train.run)
app.command("ablate")(ablate.run)
remix_replay.app.command("audit")(remix_audit.run)
app.add_typer(remix_replay.app, name="remix")
app.command("import")(exchange.import_results)
app.command("export")(exchange.export)
app.command("models")(listing.models)
app.command("tasks")(listing.tasks)
app.command("doctor")(doctor.run)
app.add_typer(cache.app, name="cache")
