"""How `rebench import` and `rebench export` print what they do with bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def all_bundles(paths: Sequence[Path]) -> bool:
    """Tell whether paths are bundles; raises `BadInput` if only some are."""
    from harness.api.bundles import is_bundle
    from harness.core.errors import BadInput

    which = [is_bundle(path) for path in paths]
    if any(which) and not all(which):
        raise BadInput(
            f"{paths[which.index(False)]} is no bundle, and {paths[which.index(True)]} is",
            fix="Import bundles and other result files one after the other.",
        )
    return all(which)


def take(paths: Sequence[Path], results: Path | None, *, as_json: bool) -> None:
    """Import bundles and print what became of each; raises `BadInput` if any was refused."""
    from harness.api.bundles import import_bundles
    from harness.bundles import ON_TRUST
    from harness.cli.console import print_table
    from harness.cli.progress import reporter_for_stderr
    from harness.core.errors import BadInput

    reporter = reporter_for_stderr()
    done = import_bundles(paths, results=results, progress=reporter)
    print_table("bundles", done.rows(), as_json=as_json, spare=("file", "query set"))
    if any(each.status in ("verified", "second result") for each in done.arrivals):
        reporter.note(f"scored again from the run; taken as said: {', '.join(ON_TRUST)}")
    if done.refused:
        count = len(done.refused)
        raise BadInput(
            f"{count} of {len(done.arrivals)} bundles {'was' if count == 1 else 'were'} refused",
            fix="The table says why; the others are imported.",
        )


def write(
    output: Path, models: str | None, tasks: str | None, results: Path | None, *, as_json: bool
) -> list[str]:
    """Write bundles, print where they lie, and return why any entry was left out."""
    from harness.api.bundles import export_bundles
    from harness.cli.console import print_table

    done = export_bundles(output, models=models or "", tasks=tasks or "", results=results)
    rows = [{"model": each.model, "task": each.task, "file": str(each.path)} for each in done.files]
    print_table("files to write", rows, as_json=as_json)
    return [problem.message for problem in done.problems]
