"""Numbers from papers, leaderboards and reproductions, each with its source.

One TOML file per family of sources lies in `published/`. Keys at the head of a file hold for all
its rows unless a row has its own; `tasks` gives the order of `values`, once. Numbers stand as they
were printed, `scale` times a fraction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from harness.core.errors import BadInput, StoreError
from harness.core.files import parse_toml
from results.strict_object import StrictObject

_BRIGHT = (
    "biology",
    "earth_science",
    "economics",
    "psychology",
    "robotics",
    "stackoverflow",
    "sustainable_living",
    "leetcode",
    "pony",
    "aops",
    "theoremqa_questions",
    "theoremqa_theorems",
)
_R2MED = ("biology", "bioinf", "medsci", "medexam", "meddiag", "pmc-tr", "pmc-cl", "iiyi-cl")

GROUPS: Mapping[str, tuple[str, ...]] = {
    "bright": _BRIGHT,
    "bright-long": tuple(f"{name}-long" for name in (*_BRIGHT[:7], "pony")),
    "r2med": tuple(f"r2med-{name}" for name in _R2MED),
    "bright-pro": tuple(f"bright-pro-{name}" for name in _BRIGHT[:7]),
}
"""Group -> its tasks. R2MED's and BRIGHT-Pro's carry a prefix since BRIGHT has a biology too."""

KINDS = ("sparse", "dense", "static", "late-interaction", "hybrid", "pipeline", "unknown")

CURRENT_GOLD = ("current", "r2med", "bright-pro")
"""Gold versions that today's judgements are; rows on others cannot be ranked with them."""

QUERY_SETS = (
    "original", "gpt4", "claude-3-opus", "gemini-1.0", "llama3-70b", "grit", "own", "unknown"
)  # fmt: skip
"""BRIGHT's query sets; `own`: whatever the system itself makes of the original queries."""

MISMATCH = Decimal("0.001")
"""A printed average may stray this far (a fraction) from the mean of its printed tasks.

Tasks and average are each rounded to 0.1 of 100 in most sources, which explains no more.
"""

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?|unknown")
_FIX = "Mend that row; harness tasks and the keys of a row are listed in results/published.py."


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One system's published numbers; never to be tested for significance.

    `values` maps task to a fraction and may be empty (only an average was printed) or lack
    tasks. `average` is the printed one, as a fraction, over the row's tasks (over the whole
    group where `values` is empty). `gold` is the version of the judgements: `current`, an old
    revision's name, `r2med`, `bright-pro` or `unknown`. `date` is of the version read or of the
    submission. `trained_on_bright` is `None` where the source does not say. `file` and `row` (from
    1) tell where it stands, and `tag` names the source in a word, for where two have rows of one
    model.
    `candidates` is the model whose first `candidates_depth` documents a reranker ordered, and
    `candidates_query_set` the queries they were found with; empty where the source does not say.
    """

    model: str
    kind: str
    group: str
    metric: str
    query_set: str
    gold: str
    values: Mapping[str, float]
    average: float | None
    mean: float | None
    average_mismatch: bool
    source: str
    date: str
    protocol: str
    note: str
    trained_on_bright: bool | None
    file: str
    row: int
    tag: str = ""
    candidates: str = ""
    candidates_query_set: str = ""
    candidates_depth: int = 0

    @property
    def complete(self) -> bool:
        """Tell whether the numbers cover all tasks of the group."""
        return not self.values or self.values.keys() == set(GROUPS[self.group])

    @property
    def overall(self) -> float | None:
        """Return the average over the group, printed or else recomputed; `None` if incomplete."""
        if not self.complete:
            return None
        return self.mean if self.average is None else self.average


def load_published(folder: Traversable | None = None) -> tuple[PublishedRow, ...]:
    """Return the rows of all `*.toml` in a folder (default: those shipped), in file order.

    Raises `StoreError` naming file, row and key for what is missing, mistyped or unknown.
    """
    folder = files("results").joinpath("published") if folder is None else folder
    try:
        paths = sorted(
            (path for path in folder.iterdir() if path.name.endswith(".toml")),
            key=lambda path: path.name,
        )
        return tuple(row for path in paths for row in read_published(path))
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error}", fix="Check the folder.") from error


def read_published(path: Traversable) -> tuple[PublishedRow, ...]:
    """Return the rows of one file; raises as `load_published` does."""
    try:
        # Decimals keep 18.9 / 100 from becoming 0.18899999999999997.
        head = parse_toml(path.read_bytes().decode("utf-8"), path.name, Decimal)
    except (BadInput, UnicodeDecodeError) as error:
        raise StoreError(f"{path.name}: not TOML ({error})", fix=_FIX) from error
    rows = head.pop("row", None)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise StoreError(f"{path.name}: holds no [[row]]", fix=_FIX)
    return tuple(
        _row({**head, **row}, path.name, number) for number, row in enumerate(rows, start=1)
    )


def _row(data: Mapping[str, Any], file: str, number: int) -> PublishedRow:
    """Build one row from the file's keys and its own."""
    known = {
        "note": "",
        "tag": file.removesuffix(".toml"),
        "candidates": "",
        "candidates_query_set": "original",
        "candidates_depth": 100,
        **data,
    }
    fields = StrictObject(known, f"{file}, row {number} ({data.get('model')})", fix=_FIX)
    group = fields.choice("group", GROUPS)
    values = _values(fields, _tasks(fields, group))
    average = _fraction(fields, "average", fields.value("average")) if "average" in data else None
    mean = sum(values.values(), Decimal(0)) / len(values) if values else None
    if mean is None and average is None:
        raise fields.fault("values", "is missing, and there is no average either")
    row = PublishedRow(
        model=fields.text("model"),
        kind=fields.choice("kind", KINDS),
        group=group,
        metric=fields.text("metric"),
        query_set=fields.choice("query_set", QUERY_SETS),
        gold=fields.text("gold"),
        values={task: float(value) for task, value in values.items()},
        average=None if average is None else float(average),
        mean=None if mean is None else float(mean),
        average_mismatch=mean is not None
        and average is not None
        and abs(mean - average) > MISMATCH,
        source=fields.text("source"),
        date=_date(fields),
        protocol=fields.text("protocol"),
        note=fields.text("note", empty=True),
        trained_on_bright=fields.optional_truth("trained_on_bright"),
        file=file,
        row=number,
        tag=fields.text("tag"),
        candidates=fields.text("candidates", empty=True),
        candidates_query_set=fields.choice("candidates_query_set", QUERY_SETS),
        candidates_depth=fields.integer("candidates_depth", least=1),
    )
    fields.finish()
    return row


def _tasks(fields: StrictObject, group: str) -> tuple[str, ...]:
    """Return the tasks that the row's values stand for; each is one of the group's, once."""
    tasks = fields.texts("tasks")
    for task in tasks:
        if task not in GROUPS[group]:
            raise fields.fault("tasks", f"names {task!r}, which is no task of {group}")
    if len(set(tasks)) < len(tasks):
        raise fields.fault("tasks", "names a task twice")
    return tasks


def _values(fields: StrictObject, tasks: tuple[str, ...]) -> dict[str, Decimal]:
    """Return the row's values by task, as exact fractions; empty where none are given."""
    if "values" not in fields.data:
        return {}
    values = fields.value("values")
    if not isinstance(values, list) or len(values) != len(tasks):
        raise fields.fault("values", f"should be a list of {len(tasks)} numbers, one per task")
    return {
        task: _fraction(fields, "values", value) for task, value in zip(tasks, values, strict=True)
    }


def _fraction(fields: StrictObject, key: str, printed: Any) -> Decimal:
    """Return a printed number as a fraction, 0 to 1."""
    scale = fields.integer("scale", least=1)
    number = Decimal(printed) if type(printed) in (int, Decimal) else Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= scale:
        raise fields.fault(key, f"should hold numbers from 0 to {scale}, found {printed}")
    return number / scale


def _date(fields: StrictObject) -> str:
    """Return a year, month or day in ISO 8601, or `unknown`."""
    date = fields.text("date")
    if not _DATE.fullmatch(date):
        raise fields.fault(
            "date", f"should be such as 2026-04-22, 2026-04 or unknown, found {date!r}"
        )
    return date
