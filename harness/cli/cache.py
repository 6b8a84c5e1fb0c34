"""`rebench cache info|verify|gc`: the embedding store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.bounded import BoundedCommand
from harness.cli.options import JsonOption, settings_from

if TYPE_CHECKING:
    from harness.cache.maintain import SpaceInfo
    from harness.cache.store import EmbeddingStore

app = typer.Typer(
    name="cache",
    help="What the embedding store holds; check and clean it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="The cache folder [env: REBENCH_CACHE]."),
]


@app.command("info", cls=BoundedCommand)
def info(as_json: JsonOption = False, cache: CacheOption = None) -> None:
    """List the vector spaces: model, role, instruction, size, last use and tasks served."""
    from harness.cache.maintain import space_infos
    from harness.cli.console import print_json, print_table

    rows = [_info_row(each) for each in space_infos(_store(cache))]
    if as_json:
        print_json(rows)
        return
    shown = [
        {
            **{key: value for key, value in row.items() if key != "kind"},
            # One column for both: most spaces are dense, and a terminal is narrow.
            "dtype": row["dtype"] if row["kind"] == "dense" else f"{row['kind']} {row['dtype']}",
            "bytes": _size(row["bytes"]),
            "tasks": ", ".join(row["tasks"]),
        }
        for row in rows
    ]
    print_table("cached spaces", shown, as_json=False)


@app.command("verify", cls=BoundedCommand)
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop what is damaged, and nothing else.")
    ] = False,
    as_json: JsonOption = False,
    cache: CacheOption = None,
) -> None:
    """Read every shard to its last byte; exit 2 if anything damaged is left."""
    from harness.cache.maintain import verify_store
    from harness.cli.console import print_table
    from harness.cli.progress import reporter_for_stderr

    reporter = reporter_for_stderr()
    verified = verify_store(_store(cache), reporter, repair=repair)
    rows = [
        {
            "file": str(found.path),
            "problem": found.problem,
            "detail": found.detail,
            "dropped": found.dropped,
        }
        for found in verified.findings
    ]
    reporter.note(f"{verified.shards:,} shards read, {_size(verified.bytes)}")
    print_table("problems", rows, as_json=as_json)
    if any(not found.dropped for found in verified.findings):
        raise typer.Exit(2)


@app.command("gc", cls=BoundedCommand)
def collect(
    model: Annotated[
        str | None, typer.Option("--model", metavar="X", help="Spaces of this model.")
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", help="Spaces not used for so long."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
    cache: CacheOption = None,
) -> None:
    """Drop spaces by model, age or both; without either, only what killed runs left unfinished.

    Example: rebench cache gc --model minilm --older-than 30 --dry-run
    """
    from harness.cache.maintain import GcRule, collect_garbage
    from harness.cli.console import print_table

    rule = GcRule(model=model, older_than=older_than, dry_run=dry_run)
    rows = [
        {"path": str(each.path), "what": each.what, "bytes": each.bytes}
        for each in collect_garbage(_store(cache), rule)
    ]
    print_table("files that would go" if dry_run else "files dropped", rows, as_json=as_json)


def _store(cache: Path | None) -> EmbeddingStore:
    """Return the store of this invocation's cache folder."""
    from harness.cache.store import EmbeddingStore

    return EmbeddingStore(settings_from(cache=cache).cache_dir)


def _info_row(each: SpaceInfo) -> dict[str, Any]:
    """Return one space as a row; a long instruction by its first line."""
    space = each.description
    return {
        "space": each.fingerprint,
        "model": space.get("model"),
        "role": space.get("role"),
        "instruction": (str(space.get("instruction", "")).splitlines() or [""])[0][:60],
        "kind": each.kind,
        "dtype": space.get("dtype"),
        "dimension": each.dimension,
        "vectors": each.vectors,
        "bytes": each.bytes,
        "last use": each.last_used.isoformat(timespec="seconds"),
        "tasks": list(each.tasks),
    }


def _size(count: int) -> str:
    """Return bytes in the unit that suits them: `12.3 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
