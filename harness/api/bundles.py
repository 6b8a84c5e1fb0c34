"""Entries as bundles that travel: written, imported, or shown as a board without an import."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.session import Session, open_session
from harness.api.tables import TableResult
from harness.core.errors import BadInput, StoreError
from harness.core.files import write_atomic

if TYPE_CHECKING:
    from harness.bundles import Arrival
    from harness.core.protocols import Reporter


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A bundle that was written, and what it holds."""

    model: str
    task: str
    path: Path


@dataclass(frozen=True, slots=True)
class BundleExport:
    """The bundles that were written, and the entries that could not be."""

    files: tuple[BundleFile, ...]
    problems: tuple[StoreError, ...]


@dataclass(frozen=True, slots=True)
class BundleArrivals(TableResult):
    """What became of each bundle, in the order of their files."""

    arrivals: tuple[Arrival, ...]

    @property
    def sound(self) -> bool:
        """Tell whether none was refused."""
        return not self.refused

    @property
    def refused(self) -> tuple[Arrival, ...]:
        """Return the bundles that were not taken."""
        return tuple(each for each in self.arrivals if each.status == "refused")

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per bundle; `value` is the mean of the task's head metric."""
        return [_row(each) for each in self.arrivals]

    def to_dict(self) -> dict[str, Any]:
        """Return the rows, and what an import takes as it is."""
        from harness.bundles import ON_TRUST

        return {"bundles": self.rows(), "on_trust": list(ON_TRUST)}


def _row(arrival: Arrival) -> dict[str, Any]:
    entry = arrival.entry
    return {
        "file": Path(arrival.file).name,
        "status": arrival.status,
        "model": entry.model if entry else None,
        "task": entry.task.name if entry else None,
        "query set": entry.task.query_set if entry else None,
        "value": entry.metrics.get(entry.task.head_metric) if entry else None,
        "detail": arrival.detail or None,
    }


def export_bundles(
    folder: str | Path,
    *,
    models: str = "",
    tasks: str = "",
    results: str | Path | None = None,
) -> BundleExport:
    """Write one bundle per measured entry into a folder, which is made if it is absent.

    `models` and `tasks` (or groups) are names with commas between them; empty: all. An entry that
    cannot be read is in `problems`, and the others are written. Raises `StoreError` where the
    folder cannot be written.
    """
    from harness.bundles import bundle_of, file_name
    from harness.interop.exporting import chosen_entries
    from results.bundle import pack

    store = open_session(results=results).store
    loaded = store.entries()
    files: list[BundleFile] = []
    problems = list(loaded.problems)
    for entry in chosen_entries(loaded.entries, models, tasks):
        try:
            bundle = bundle_of(store, entry)
            data = pack(bundle)
        except (StoreError, BadInput) as error:
            problems.append(StoreError(error.message, fix=error.fix))
            continue
        path = Path(folder) / file_name(bundle)
        write_atomic(path, data)
        files.append(BundleFile(entry.model, entry.task.name, path))
    return BundleExport(tuple(files), tuple(problems))


def import_bundles(
    paths: str | Path | Iterable[str | Path],
    *,
    results: str | Path | None = None,
    progress: Reporter | None = None,
) -> BundleArrivals:
    """Take bundles, or all below folders, into the results, each once its run is scored again.

    A bundle whose numbers do not follow from its run is refused; one whose judgements are not
    here is kept as `unverified`, shown and never ranked. Raises `BadInput` for a folder without
    bundles, `StoreError` where the results cannot be written.
    """
    from harness.bundles import BundleImport, Judgements

    session = open_session(results=results, progress=progress)
    files = bundle_files([paths] if isinstance(paths, str | Path) else paths)
    taking = BundleImport(session.store, Judgements(session.store.root))
    return BundleArrivals(tuple(taking.take(path) for path in files))


def is_bundle(path: Path) -> bool:
    """Tell whether a path is a bundle's file, or a folder that holds any."""
    from results.bundle import SUFFIX

    if path.is_dir():
        return next(path.rglob(f"*{SUFFIX}"), None) is not None
    return path.name.endswith(SUFFIX)


def bundle_files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files that are named, and those below the folders that are, by path."""
    from results.bundle import SUFFIX

    files: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise BadInput(
                f"{path} holds no *{SUFFIX}",
                fix="Name a folder of bundles; `rebench export --format bundle` writes them.",
            )
        files += inside
    return files


@contextmanager
def visiting(folder: Path, session: Session) -> Iterator[VisitingBundles]:
    """Yield a session whose results are a folder's bundles alone, for as long as it is used.

    The judgements are those of the embedded tasks and of the session's own results.
    """
    from harness.bundles import BundleImport, Judgements
    from results.store import ResultStore

    files = bundle_files([folder])
    with tempfile.TemporaryDirectory() as made:
        store = ResultStore(Path(made))
        taking = BundleImport(store, Judgements(session.store.root))
        arrivals = BundleArrivals(tuple(taking.take(path) for path in files))
        settings = replace(session.settings, results_dir=store.root)
        yield VisitingBundles(replace(session, settings=settings), _problems(arrivals.refused))


@dataclass(frozen=True, slots=True)
class VisitingBundles:
    """A session on bundles that are not imported, and an error for each that was refused."""

    session: Session
    problems: tuple[StoreError, ...]


def _problems(refused: Sequence[Arrival]) -> tuple[StoreError, ...]:
    return tuple(
        StoreError(f"{each.file}: {each.detail}", fix="Remove it, or ask its author for another.")
        for each in refused
    )
