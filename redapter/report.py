"""The training report: what was trained, on what, and how it went, with curves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.file_sets import MANIFEST_SUFFIX, write_file_set
from redapter.checkpoints import TrainingFolder
from redapter.config import HEAD, RunConfig
from redapter.config_file import config_hash
from redapter.steplog import read_log

FIGURES = {
    "loss": ("nats", {"loss": "minimised", "plain_loss": "L(q), mean"}),
    "intensity": (
        "reasoning intensity",
        {"ri_mean": "mean", "ri_q10": "10 %", "ri_q50": "median", "ri_q90": "90 %"},
    ),
    "weights": (
        "weight × batch size",
        {"weight_q10": "10 %", "weight_q50": "median", "weight_q90": "90 %", "weight_max": "max"},
    ),
}
"""Figure -> (axis, log key -> curve's name); a figure whose keys are not logged is left out."""


def write_report(folder: TrainingFolder, config: RunConfig, *, steps: int) -> Path:
    """Write `report.md` and its figures from the run's record and log; returns the report."""
    lines = read_log(folder.log)
    drawn: dict[str, bytes] = {}
    for name, (axis, curves) in FIGURES.items():
        present = {key: label for key, label in curves.items() if lines and key in lines[-1]}
        if present:
            figure = f"figures/{name}.png"
            drawn[figure] = curves_png(lines, present, axis)
    shown = [f"![{Path(figure).stem}]({figure})" for figure in drawn]
    text = report_text(config, folder.record(), lines, shown, steps=steps)
    report = folder.path / "report.md"
    files = {report.name: text.encode("utf-8"), **drawn}
    return write_file_set(report.with_suffix(MANIFEST_SUFFIX), files)[0]


def report_text(
    config: RunConfig,
    record: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    figures: Sequence[str],
    *,
    steps: int,
) -> str:
    """Return the report as Markdown."""
    facts = {
        "base": config.model.base,
        "parent weights": record["parent"],
        "data": f"{config.data.path} (sha256 {record['data']})",
        "recipe": f"sha256 {config_hash(config)}",
        "loss": _loss_line(config),
        "trained": _trained_part(config),
        "step": f"{config.batch.size * config.batch.devices} queries of one task × "
        f"{config.batch.group_size} passages, unless rows say otherwise",
        "seed": config.train.seed,
        "steps": steps,
    }
    text = [f"# Training of {config.name}", "", "| | |", "|---|---|"]
    text += [f"| {key} | {value} |" for key, value in facts.items()]
    if lines:
        text += ["", "## How it went", "", *_progress_table(lines), "", *figures]
    return "\n".join(text) + "\n"


def curves_png(lines: Sequence[Mapping[str, Any]], curves: Mapping[str, str], axis: str) -> bytes:
    """Return a PNG of log values over steps, one curve a key."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    steps = [line["step"] for line in lines]
    for key, label in curves.items():
        plot.plot(steps, [line.get(key, float("nan")) for line in lines], label=label, linewidth=1)
    plot.set_xlabel("step")
    plot.set_ylabel(axis)
    plot.grid(visible=True, alpha=0.3)
    plot.legend(frameon=False, fontsize=8)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120, metadata={"Software": None})
    return image.getvalue()


def _trained_part(config: RunConfig) -> str:
    if config.model.train == HEAD:
        return "a dense layer over the frozen encoder's vectors"
    if config.lora.rank:
        return f"LoRA, rank {config.lora.rank}, alpha {config.lora.alpha}"
    return "every weight"


def _loss_line(config: RunConfig) -> str:
    """Return the loss in words."""
    loss = config.loss
    if loss.kind == "infonce":
        return f"InfoNCE, temperature {loss.temperature}"
    cap = f"kappa {loss.kappa}" if loss.kappa else "no cap"
    kappa = "" if loss.kind == "static" else f", {cap}"
    return (
        f"{loss.kind}, temperature {loss.temperature}{kappa}, plain for {loss.warmup_steps} steps"
    )


def _progress_table(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a Markdown table of means over the first, middle and last tenth of the steps."""
    tenth = max(1, len(lines) // 10)
    middle = len(lines) // 2
    parts = {
        "first tenth": lines[:tenth],
        "middle tenth": lines[max(0, middle - tenth // 2) :][:tenth],
        "last tenth": lines[-tenth:],
    }
    keys = ["loss", "plain_loss", "ri_mean", "ess", "grad_norm", "tokens_per_s", "memory_gib"]
    keys = [key for key in keys if key in lines[-1]]
    head = ["steps", *(key.replace("_", " ") for key in keys)]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, part in parts.items():
        table.append(f"| {name} | {' | '.join(_mean(part, key) for key in keys)} |")
    return table


def _mean(lines: Sequence[Mapping[str, Any]], key: str) -> str:
    """Return the mean over the lines that have the key: warm-up steps have no intensity."""
    values = [float(line[key]) for line in lines if key in line]
    return f"{sum(values) / len(values):,.4g}" if values else "–"
