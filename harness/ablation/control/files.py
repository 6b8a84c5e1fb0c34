"""The generated task as files: a folder in BEIR layout, and training rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.ablation.control.world import ControlOptions, ControlQuery, World, draw_questions
from harness.core.errors import BadInput
from harness.core.file_sets import file_set_problems, write_file_set
from harness.core.hashing import sha256_json
from harness.core.training_row import TrainingRow, rows_bytes

if TYPE_CHECKING:
    from harness.ablation.spec import AblationSpec
    from redapter.config import RunConfig

TASK, ROWS, MANIFEST = "control", "rows.jsonl.gz", "control.manifest.json"
POSITIVE, NEGATIVE = 5.0, 1.0


def control_folder(options: ControlOptions, root: Path) -> Path:
    """Return where the files of a control lie under an ablation's folder."""
    return root / "data" / f"control-{sha256_json(asdict(options))[:16]}"


def with_control(spec: AblationSpec, root: Path) -> AblationSpec:
    """Return an ablation whose control stands among its tasks and as its data; nothing is written.

    Without a control the ablation is returned as it is.
    """
    from dataclasses import replace

    if not spec.control.rows:
        return spec
    folder = control_folder(spec.control, root)
    data = {**spec.data, "path": str(folder / ROWS)}
    return replace(spec, tasks=(*spec.tasks, str(folder / TASK)), data=data)


def check_heads(recipes: Mapping[str, RunConfig]) -> None:
    """Raise `BadInput` unless every variant trains a head: a control watches its steps."""
    for name, recipe in recipes.items():
        if recipe.model.train != "head":
            raise BadInput(
                f"a control watches trainings of a head, and variant {name!r} trains "
                f"model.train = {recipe.model.train!r}",
                fix='Set model.train = "head", or take another ablation.',
            )


def write_control(options: ControlOptions, root: Path) -> None:
    """Write the task's folder and the rows, unless they are there; the same bytes each time.

    Files that are not what was written are written again: everything follows from the options.
    """
    folder = control_folder(options, root)
    manifest = folder / MANIFEST
    written = (folder / ROWS).is_file()
    if written and not file_set_problems(manifest, fix="They are generated again."):
        return
    world = World(options.seed)
    split = draw_questions(world, options)
    documents = [{"_id": key, "title": "", "text": text} for key, text in world.documents.items()]
    queries = [{"_id": each.id, "text": each.text} for each in split.held_out]
    judged = "".join(f"{each.id}\t{each.answer}\t1\n" for each in split.held_out)
    files = {
        ROWS: rows_bytes(control_rows(world, split.training), ".gz"),
        f"{TASK}/corpus.jsonl": _lines(documents),
        f"{TASK}/queries.jsonl": _lines(queries),
        f"{TASK}/qrels/test.tsv": f"query-id\tcorpus-id\tscore\n{judged}".encode(),
    }
    write_file_set(manifest, files)


def control_rows(world: World, questions: Sequence[ControlQuery]) -> Iterator[TrainingRow]:
    """Yield a training row for each question; `conditions.hops` holds its hops."""
    text_of = world.documents
    for each in questions:
        yield TrainingRow(
            query=each.text,
            reasoning_query=each.reasoning,
            pos=(text_of[each.answer],),
            neg=tuple(text_of[key] for key in each.negatives),
            pos_scores=(POSITIVE,),
            neg_scores=(NEGATIVE,) * len(each.negatives),
            task=TASK,
            conditions={"hops": each.hops},
        )


def _lines(rows: Sequence[dict[str, str]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
