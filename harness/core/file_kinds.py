"""Every kind of file that rebench writes: which of them it later believes, and how it tells damage.

A writing function is named `package.module:function`. A test finds every one in the code and fails
if it stands in neither table, and another damages a sample of each kind that is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Carrier = Literal["document", "line", "manifest", "name", "header", "gzip"]


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that rebench writes and later believes.

    `carrier` is where its checksum lies: `document` (a key of the file), `line` (a key of each
    line), `manifest` (a neighbour that names it), `name` (its own or its folder's name), `header`
    (binary), or `gzip` (the checksum of that format). `writers` write it. `advice` is part of what
    a user is told to do about a damaged one; empty if rebench makes it again by itself.
    """

    name: str
    carrier: Carrier
    advice: str
    writers: tuple[str, ...]


FILE_KINDS = (
    FileKind(
        "entry", "document", "--force",
        ("results.store:ResultStore.save", "results.store:ResultStore.add_checksum",
         "harness.evaluate:ScoredRun.stored_in", "harness.bundles:BundleImport._keep",
         "harness.bundles:differences"),
    ),
    FileKind("run of an entry", "manifest", "--force", ("results.store:ResultStore.save",)),
    FileKind(
        "per-query values of an entry", "manifest", "--force", ("results.store:ResultStore.save",)
    ),
    FileKind("judgements", "name", "--force", ("results.judgements:save_judgements",)),
    FileKind(
        "imported row", "document", "Import the result files again",
        ("results.imported:save_imported",),
    ),
    FileKind(
        "shard of dense vectors", "header", "", ("harness.cache.store:SpaceFolder.write_shard",)
    ),
    FileKind(
        "shard of sparse vectors", "header", "", ("harness.cache.store:SpaceFolder.write_shard",)
    ),
    FileKind(
        "shard of token vectors", "header", "", ("harness.cache.store:SpaceFolder.write_shard",)
    ),
    FileKind(
        "vector space", "name", "cache verify --repair",
        ("harness.cache.store:SpaceFolder.describe",),
    ),
    FileKind(
        "note of use", "document", "cache verify --repair",
        ("harness.cache.store:SpaceFolder.record_use",),
    ),
    FileKind("scores of a reranker", "name", "", ("harness.pipelines.score_store:ScoreStore.add",)),
    FileKind(
        "stage output of a pipeline", "manifest", "",
        ("harness.pipelines.staged.outputs:StageOutputs.keep",),
    ),
    FileKind(
        "stage manifest of a pipeline", "document", "",
        ("harness.pipelines.staged.outputs:StageOutputs.keep",),
    ),
    FileKind(
        "journal", "line", "Remove line",
        ("models.chat.journal:Journal.__init__", "models.chat.journal:record_line",
         "remixer.written_replies:write_packed"),
    ),
    FileKind(
        "journal segment", "gzip", "remove it and its .idx",
        ("models.chat.journal_segments:SealedSegments.seal",),
    ),
    FileKind(
        "bundle", "manifest", "Ask whoever made it", ("harness.api.bundles:export_bundles",)
    ),
    FileKind("journal index", "header", "", ("models.chat.journal_segments:_write_index",)),
    FileKind(
        "stage output of ReMixer", "manifest", "rebench remix",
        ("remixer.run_folder:RemixFolder.write", "remixer.stages.export:write_training",
         "remixer.stages.format:_write"),
    ),
    FileKind(
        "stage manifest of ReMixer", "document", "Remove it and run the same command again",
        ("remixer.run_folder:RemixFolder._save",),
    ),
    FileKind(
        "training rows", "gzip", "write it again",
        ("harness.core.training_row:write_rows", "redapter.difficulty:write_difficulty",
         "harness.ablation.folds:WrittenFolds.training_data"),
    ),
    FileKind(
        "training record", "document", "in another folder",
        ("redapter.checkpoints:TrainingFolder.open",),
    ),
    FileKind(
        "checkpoint", "manifest", "to go on from the checkpoint before it",
        ("redapter.trainer:RunTrainer._save",),
    ),
    FileKind(
        "checkpoint manifest", "document", "to go on from the checkpoint before it",
        ("redapter.checkpoints:TrainingFolder.mark_complete",),
    ),
    FileKind(
        "step log", "line", "Remove line",
        ("redapter.steplog:append_line", "redapter.checkpoints:TrainingFolder.cut_log"),
    ),
    FileKind(
        "trained model", "manifest", "rebench train --resume", ("redapter.export:export_model",)
    ),
    FileKind(
        "record of an ablation's run", "document", "the next run of the ablation",
        ("harness.ablation.records:write_record",),
    ),
    FileKind(
        "trained layer of an ablation", "manifest", "the next run of the ablation",
        ("harness.ablation.head:write_head",),
    ),
    FileKind(
        "report of an ablation", "manifest", "the next run of the ablation",
        ("harness.ablation.report:write_report",),
    ),
    FileKind(
        "generated task of a control", "manifest", "",
        ("harness.ablation.control.files:write_control",),
    ),
    FileKind(
        "report", "manifest", "Write the report again", ("harness.reports.write:write_report",)
    ),
    FileKind(
        "probes of an object", "document", "it is made again",
        ("harness.api.probes:recorded_probe",),
    ),
    FileKind(
        "listing of a repository", "document", "the hub is asked again",
        ("harness.core.hub:listed_files",),
    ),
)  # fmt: skip
"""Every kind that is believed, with a checksum that its readers look at."""

NOT_BELIEVED = {
    "harness.ablation.control.page:write_page": "a page for people",
    "harness.api.boards:Leaderboard.csv": "returns a text",
    "harness.cache.claims:BatchClaims._open": "an empty file that is only locked",
    "harness.cache.claims:BatchClaims.take": "a link to that file",
    "harness.cache.maintain:_drop_folder": "takes a folder out of use by a rename",
    "harness.cache.store:SpaceFolder.check_writable": "an empty file that is removed at once",
    "harness.cli.ablate:_ablate_pipeline": "a page for people",
    "harness.cli.console:print_json": "standard output",
    "harness.cli.leaderboard:_write": "a table or page for people",
    "harness.cli.remix_audit:run": "a page for people",
    "harness.cli.remix_replies:requests": "questions for people",
    "harness.core.hub:fetch_snapshot": "the hub client's note of a commit: 40 digits, or refused",
    "harness.core.hub:resolve_commit": "the hub client's note of a commit: 40 digits, or refused",
    "harness.core.memory:Room.matrix": "vectors in a file without a name, gone with the process",
    "harness.interop.exporting:export_entries": "files in the form of another tool",
    "harness.interop.exporting:export_imported": "files in the form of another tool",
    "harness.interop.parquet:export_parquet": "tables for another tool",
    "harness.render.figures:rendered": "returns bytes",
    "redapter.report:curves_png": "returns bytes",
    "redapter.report:write_report": "a page for people",
    "redapter.train:_tensorboard": "TensorBoard's log",
    "redapter.train:_train_head": "opens a folder",
    "redapter.train:_train_stage": "opens a folder",
    "remixer.pipeline:write_annotator_data": "rows for another tool",
    "remixer.stages.export:write_parquet": "rows for another tool",
    "results.store:ResultStore.check_writable": "an empty file that is removed at once",
}  # fmt: skip
"""Writing functions whose files nothing here reads and believes, and why."""

WAYS = frozenset(
    f"harness.core.{name}"
    for name in (
        "checksums:write_document", "checksums:write_manifest", "file_sets:write_file_set",
        "files:_through", "files:atomic_file", "files:open_writer", "files:write_atomic",
        "files:write_jsonl", "files:write_text",
    )
)  # fmt: skip
"""The functions by which all others write."""
