"""Samples of what is made: training data, trainings, ablations, reports, notes of other things."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np

from harness.ablation.control.files import MANIFEST as CONTROL_MANIFEST
from harness.ablation.control.files import control_folder, write_control
from harness.ablation.control.world import ControlOptions
from harness.ablation.head import read_head, write_head
from harness.ablation.records import RunRecord, known_detectable, read_record, write_record
from harness.api.probes import ProbeKey, recorded_probe
from harness.core import hub
from harness.core.checksums import write_manifest
from harness.core.file_sets import file_set_problems, write_file_set
from harness.core.files import write_atomic
from harness.core.training_row import TrainingRow, read_rows, write_rows
from harness.core.weight_files import EXPORT_MANIFEST
from models.weights import find_weights
from redapter.checkpoints import TrainingFolder
from redapter.steplog import append_line, read_log
from remixer.rows import SourceRow
from remixer.run_folder import RemixFolder
from results.bundle import pack, read_bundle
from tests.faults.sample import Parts, Reading, Sample, guarded, without_named_lines
from tests.helpers.bundle_cases import sample_bundle

# ReMixer -------------------------------------------------------------------------------------

SOURCES = [SourceRow(f"d{at}", "100 to 200 words", "PhD") for at in range(5)]


def _remix(name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        folder = RemixFolder(root)
        folder.claim({"task": "biology"})
        folder.write("select", SOURCES)
        folder.finish("select", {"limit": 5}, (), {"rows": len(SOURCES)})
        return root / name

    return write


def _read_remix(root: Path) -> Reading:
    def parts() -> Parts:
        folder = RemixFolder(root)
        folder.claim({"task": "biology"})
        record = folder.record("select")
        rows = {row.doc_id: row for row in folder.rows("select", SourceRow)}
        return {**rows, "settings": record and record.settings}

    return guarded(parts)


def _repair_remix(root: Path, said: list[str]) -> None:
    if "Remove it" in " ".join(said):
        (root / "manifest.json").unlink()
    _remix("")(root)


# Training ------------------------------------------------------------------------------------

RECORD = {"config": {"batch": {"size": 4}}, "data": "d1", "parent": "sha256:p1"}


def _training_record(root: Path) -> Path:
    TrainingFolder(root / "run").open(RECORD, resume=False)
    return root / "run" / "run.json"


def _checkpoints(name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        folder = TrainingFolder(root)
        for step in (1, 2):
            path = root / f"checkpoint-{step}"
            path.mkdir(exist_ok=True)
            (path / "weights").write_bytes(bytes(range(100)) * step)
            folder.mark_complete(step)
        return root / "checkpoint-2" / name

    return write


def _read_checkpoint(root: Path) -> Reading:
    def parts() -> Parts:
        newest = TrainingFolder(root).last_checkpoint()
        return {newest.name: (newest / "weights").read_bytes()} if newest else {}

    return guarded(parts)


def _step_log(root: Path) -> Path:
    for step in range(1, 9):
        append_line(root / "log.jsonl", {"step": step, "loss": 1.0 / step})
    return root / "log.jsonl"


def _read_steps(root: Path) -> Reading:
    return guarded(lambda: {str(line["step"]): line for line in read_log(root / "log.jsonl")})


def _model(root: Path) -> Path:
    folder = root / "model"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.safetensors").write_bytes(bytes(range(256)))
    write_manifest(folder / EXPORT_MANIFEST, ["config.json", "model.safetensors"], {})
    return folder / "model.safetensors"


def _read_model(root: Path) -> Reading:
    from models.registry import find_card

    card = find_card("minilm")
    return guarded(lambda: {"weights": find_weights(card, str(root / "model")).identity})


TRAINING_ROWS = [TrainingRow(f"query {at}", pos=("p",), neg=("n", "m")) for at in range(5)]


def _training_rows(root: Path) -> Path:
    write_rows(root / "rows.jsonl.gz", TRAINING_ROWS)
    return root / "rows.jsonl.gz"


def _read_training_rows(root: Path) -> Reading:
    return guarded(lambda: {row.query: row for row in list(read_rows(root / "rows.jsonl.gz"))})


# Ablations and reports -----------------------------------------------------------------------

RUN = RunRecord("infonce", 1, "k", 10.5, 2.5, "log.jsonl")
CONTROL = ControlOptions(rows=2, queries=2)
REPORT = {
    "report.md": b"# A report\n",
    "report.json": b'{"differences": []}',
    "figures/a.png": b"a",
}
PLAN = {"report.json": b'{"differences": [{"detectable_corrected": 0.25}]}', "report.md": b"# A\n"}


def _ablation_record(root: Path) -> Path:
    write_record(root, RUN)
    return root / "ablation.json"


def _layer(root: Path) -> Path:
    write_head(root / "head.safetensors", np.eye(4, dtype=np.float32))
    return root / "head.safetensors"


def _read_layer(root: Path) -> Reading:
    return guarded(lambda: {"head": read_head(root / "head.safetensors").tolist()})


def _set(files: Mapping[str, bytes], name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        write_file_set(root / "report.manifest.json", files)
        return root / name

    return write


def _read_report(root: Path) -> Reading:
    fix = "Write the report again, with the command that stands at its end."
    problems = file_set_problems(root / "report.manifest.json", fix=fix)
    whole = {name: (root / name).read_bytes() for name in REPORT} if not problems else {}
    return Reading(whole, [str(each) for each in problems])


def _read_plan(root: Path) -> Reading:
    reading = guarded(lambda: {"detectable": known_detectable(root)})
    return Reading({k: v for k, v in reading.parts.items() if v is not None}, reading.said)


def _removing(file: str, write: Callable[[Path], Path]) -> Callable[[Path, list[str]], None]:
    """Return the repair that removes the file and has it written again."""

    def repair(root: Path, said: list[str]) -> None:
        (root / file).unlink()
        write(root)

    return repair


def _control(root: Path) -> Path:
    write_control(CONTROL, root)
    return control_folder(CONTROL, root) / "control" / "corpus.jsonl"


def _read_control(root: Path) -> Reading:
    """Read as an ablation does, which has the files written first."""
    folder = control_folder(CONTROL, root)
    problems = file_set_problems(folder / CONTROL_MANIFEST, fix="They are generated again.")
    write_control(CONTROL, root)
    corpus = (folder / "control" / "corpus.jsonl").read_bytes()
    return Reading({"corpus": corpus}, [str(each) for each in problems])


VECTORS = np.arange(1, 17, dtype=np.float32).reshape(8, 2)
PROBE = ProbeKey("m", "1", "query")


def _probe(root: Path) -> Path:
    recorded_probe(VECTORS, PROBE, root)
    (path,) = root.glob("*.json")
    return path


def _repair_probe(root: Path, said: list[str]) -> None:
    for path in root.glob("*.json"):
        path.unlink()
    _probe(root)


REPOSITORY = hub.HubRepository("a/b")
NAMES = ["config.json", "model.safetensors"]


def _listed(root: Path) -> tuple[str, ...]:
    with (
        patch("huggingface_hub.constants.HF_HUB_CACHE", str(root)),
        patch.object(hub, "file_names", lambda repository, commit: list(NAMES)),
    ):
        return hub.listed_files(REPOSITORY, "c" * 40)


def _listing(root: Path) -> Path:
    _listed(root)
    (path,) = root.rglob("listings/*.json")
    return path


def _repair_listing(root: Path, said: list[str]) -> None:
    shutil.rmtree(root / "models--a--b")
    _listed(root)


def _elsewhere(root: Path, said: list[str]) -> None:
    shutil.rmtree(root / "run")
    _training_record(root)


@cache
def _packed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return pack(sample_bundle(Path(folder)))


def _bundle(root: Path) -> Path:
    write_atomic(root / "b.bundle.zip", _packed())
    return root / "b.bundle.zip"


SAMPLES: Mapping[str, Sample] = {
    "stage output of ReMixer": Sample(_remix("1-select.jsonl"), _read_remix, _repair_remix),
    "stage manifest of ReMixer": Sample(_remix("manifest.json"), _read_remix, _repair_remix),
    "training rows": Sample(
        _training_rows, _read_training_rows, lambda root, said: _training_rows(root)
    ),
    "training record": Sample(
        _training_record,
        lambda root: guarded(lambda: {"record": TrainingFolder(root / "run").record()}),
        _elsewhere,
    ),
    "checkpoint": Sample(
        _checkpoints("weights"),
        _read_checkpoint,
        lambda root, said: shutil.rmtree(root / "checkpoint-2"),
        loses=True,
    ),
    "checkpoint manifest": Sample(
        _checkpoints("complete.json"),
        _read_checkpoint,
        lambda root, said: shutil.rmtree(root / "checkpoint-2"),
        loses=True,
    ),
    "step log": Sample(
        _step_log,
        _read_steps,
        lambda root, said: without_named_lines(root / "log.jsonl", said),
        loses=True,
        quiet_end=True,
    ),
    "trained model": Sample(_model, _read_model, lambda root, said: _model(root)),
    "record of an ablation's run": Sample(
        _ablation_record,
        lambda root: guarded(lambda: {"record": read_record(root)}),
        _removing("ablation.json", _ablation_record),
    ),
    "trained layer of an ablation": Sample(
        _layer, _read_layer, _removing("head.safetensors", _layer)
    ),
    "report of an ablation": Sample(
        _set(PLAN, "report.json"), _read_plan, _removing("report.json", _set(PLAN, ""))
    ),
    "generated task of a control": Sample(_control, _read_control, lambda root, said: None),
    "bundle": Sample(
        _bundle,
        lambda root: guarded(lambda: {"bundle": read_bundle(root / "b.bundle.zip")}),
        lambda root, said: _bundle(root),
    ),
    "report": Sample(
        _set(REPORT, "report.md"), _read_report, lambda root, said: _set(REPORT, "")(root)
    ),
    "probes of an object": Sample(
        _probe,
        lambda root: guarded(lambda: {"probe": recorded_probe(VECTORS, PROBE, root)}),
        _repair_probe,
    ),
    "listing of a repository": Sample(
        _listing, lambda root: guarded(lambda: {"names": _listed(root)}), _repair_listing
    ),
}
"""Kind of `FILE_KINDS` -> its sample."""
