"""rebench as a library: `import rebench; rebench.evaluate(model, "stdlib")`.

Every name is imported when it is first used, so that `import rebench` loads nothing heavy. Errors
are subclasses of `rebench.RebenchError`; nothing here prints.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.audits import (
        AuditResult,
        MeasuresResult,
        audit_queries,
        audit_rows,
        audit_run,
    )
    from harness.api.boards import Leaderboard, leaderboard
    from harness.api.bundles import (
        BundleArrivals,
        BundleExport,
        export_bundles,
        import_bundles,
    )
    from harness.api.callbacks import EvaluationCallback
    from harness.api.comparing import (
        ComparisonResult,
        ReportFiles,
        ReproductionResult,
        compare,
        report,
        reproduce,
    )
    from harness.api.evaluating import (
        Evaluation,
        Verification,
        evaluate,
        load_model,
        load_task,
        score,
        verify,
    )
    from harness.api.piping import FusionResult, fuse, rerank
    from harness.api.session import RebenchWarning
    from harness.api.tabular import export_parquet
    from harness.api.training import (
        AblationOutcome,
        RemixOutcome,
        TrainingOutcome,
        ablate,
        remix,
        train,
    )
    from harness.core.errors import RebenchError
    from harness.pipelines.staged.pipeline import Pipeline

_HOMES = {
    "harness.api.audits": (
        "AuditResult", "MeasuresResult", "audit_queries", "audit_rows", "audit_run",
    ),
    "harness.api.boards": ("Leaderboard", "leaderboard"),
    "harness.api.bundles": (
        "BundleArrivals", "BundleExport", "export_bundles", "import_bundles",
    ),
    "harness.api.callbacks": ("EvaluationCallback",),
    "harness.api.comparing": (
        "ComparisonResult", "ReportFiles", "ReproductionResult", "compare", "report", "reproduce",
    ),
    "harness.api.evaluating": (
        "Evaluation", "Verification", "evaluate", "load_model", "load_task", "score", "verify",
    ),
    "harness.api.piping": ("FusionResult", "fuse", "rerank"),
    "harness.pipelines.staged.pipeline": ("Pipeline",),
    "harness.api.session": ("RebenchWarning",),
    "harness.api.tabular": ("export_parquet",),
    "harness.api.training": (
        "AblationOutcome", "RemixOutcome", "TrainingOutcome", "ablate", "remix", "train",
    ),
    "harness.core.errors": ("RebenchError",),
}  # fmt: skip
"""Module -> the names it gives."""

__all__ = [
    "AblationOutcome", "AuditResult", "BundleArrivals", "BundleExport", "ComparisonResult",
    "Evaluation", "EvaluationCallback", "FusionResult", "Leaderboard", "MeasuresResult",
    "Pipeline", "RebenchError", "RebenchWarning", "RemixOutcome", "ReportFiles",
    "ReproductionResult", "TrainingOutcome", "Verification", "ablate", "audit_queries",
    "audit_rows", "audit_run", "compare", "evaluate", "export_bundles", "export_parquet", "fuse",
    "import_bundles", "leaderboard", "load_model", "load_task", "remix", "report", "reproduce",
    "rerank", "score", "train", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name from its home, unless the user's folder hides one of our packages."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'rebench' has no attribute {name!r}")
    names = _by_path("core", "name_clash")
    names.bind_packages()
    clash = names.name_clash()
    if clash is None:
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value
    errors = _by_path("core", "errors")
    if name == "RebenchError":
        return errors.RebenchError
    raise errors.BadInput(str(clash), fix="`rebench doctor` works anywhere.")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


def _by_path(folder: str, stem: str) -> Any:
    """Load a module of `harness` by its place, since `harness` itself may be hidden.

    It is registered under a private name, so that it is loaded once and hides nothing.
    """
    import importlib.util
    import sys
    from pathlib import Path

    name = f"_rebench_{stem}"
    if name not in sys.modules:
        path = Path(__file__).resolve().parent / "harness" / folder / f"{stem}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is missing: install rebench-retrieval again")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
