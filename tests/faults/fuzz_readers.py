"""All readers that are fuzzed: of everybody's files, and of what rebench itself wrote."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults import made_samples, stored_samples
from tests.faults.fuzz_data_readers import IMPORTS, RUNS, TASKS
from tests.faults.fuzz_model_readers import MODELS
from tests.faults.fuzz_reader import Reader, stored
from tests.faults.fuzz_table_readers import ROWS, TABLES

READERS: Mapping[str, Reader] = {
    **RUNS, **TASKS, **IMPORTS, **TABLES, **ROWS, **MODELS,
    **{
        f"stored: {kind}": stored(kind, sample)
        for kind, sample in {**stored_samples.SAMPLES, **made_samples.SAMPLES}.items()
    },
}  # fmt: skip

_SHIPPED = "reads what ships with the package"
NOT_FUZZED: Mapping[str, str] = {
    "harness.ablation.redapter:RedapterTrainer.train": "the log that its own process has just made",
    "harness.api.pipelining:recipe_text": _SHIPPED,
    "harness.core.code_hash:_code": _SHIPPED,
    "harness.core.code_hash:_imports": _SHIPPED,
    "harness.data.docstring_corpus:collect_texts": "what the interpreter says of its own library",
    "harness.data.situations:read_judged": _SHIPPED,
    "harness.data.situations:read_situations": _SHIPPED,
    "harness.leaderboard.html_page:_asset": _SHIPPED,
    "models.backends.unbroken:cut_rule": "what a loaded tokenizer says of itself",
    "models.backends.unbroken:shortened_words": "what a loaded tokenizer says of itself",
    "models.chat.rewriters:shipped_rewriters": _SHIPPED,
    "models.registry:find_card": _SHIPPED,
    "models.rerankers.shipped:shipped_rerankers": _SHIPPED,
    "results.bundle:_parsed": "tests/results/test_bundle.py changes bundles at random",
    "models.devices:usable_cores": "the kernel's file",
    "redapter.train:check_device": "read_json, and whether that is an object; it imports torch",
    "redapter.trainer:RunTrainer._load_from_checkpoint": "a checkpoint whose files were checked",
    "results.environment:_cpu_model": "the kernel's file",
    "results.store:ResultStore.save": "parses the text that it has just made",
}
"""Functions that read a file and stand behind no reader here, and why."""
