"""One line a step: loss, reasoning intensity, weights, speed and memory, as JSONL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.checksums import LOG_FIX, DamagedFile, checked_line, read_checked_lines
from harness.core.errors import StoreError
from redapter.options import LossOptions
from redapter.weights import effective_sample_size, reasoning_intensity

if TYPE_CHECKING:
    from redapter.loss import StepLoss

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def step_values(step: StepLoss, options: LossOptions) -> dict[str, float]:
    """Return the numbers of one step, fetched from the device in one go.

    `loss` is what was minimised, `plain_loss` and `reasoning_loss` the batch means of L_q and
    L_q'; `ri_*` describe the reasoning intensity, capped at kappa, once the warm-up is over, and
    `at_cap` is the share of queries at that cap; `weight_*` are quantiles of the weights times B,
    so that 1 is an even share; `ess` is their effective sample size (1 to B).
    """
    import torch

    with torch.no_grad():
        losses = step.losses.float()
        marks = torch.tensor(QUANTILES, device=losses.device)
        weights = step.weights.float() * len(losses)
        names = ["loss", "plain_loss", "ess", "weight_max"]
        values = [
            (step.weights * step.losses).sum().float(),
            losses.mean(),
            effective_sample_size(step.weights.float()),
            weights.max(),
        ]
        parts = [("weight", torch.quantile(weights, marks))]
        if step.reasoning_losses is not None:
            intensity = reasoning_intensity(losses, step.reasoning_losses.float(), options.kappa)
            names += ["reasoning_loss", "ri_mean"]
            values += [step.reasoning_losses.float().mean(), intensity.mean()]
            parts.append(("ri", torch.quantile(intensity, marks)))
            if options.kappa:
                names.append("at_cap")
                values.append((intensity >= options.kappa).float().mean())
        for name, quantiles in parts:
            names += [f"{name}_q{round(100 * mark)}" for mark in QUANTILES]
            values += list(quantiles)
        return dict(zip(names, torch.stack(values).tolist(), strict=True))


def memory_gib(device: str) -> float:
    """Return the largest memory use so far in GiB: of the GPU, or of the process on a CPU."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated() / 2**30
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add a line to the log; raises `StoreError` when it cannot be written."""
    line = checked_line({key: _short(value) for key, value in values.items()})
    try:
        with path.open("ab") as handle:
            handle.write(line)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            fix="Make room on the disk, then go on with --resume.",
        ) from error


def read_log(path: Path) -> list[Mapping[str, Any]]:
    """Return the lines of a log, in step order (empty without a file).

    Raises `DamagedFile` for a line that is damaged.
    """
    if not path.is_file():
        return []
    lines: list[Mapping[str, Any]] = list(read_checked_lines(path, fix=LOG_FIX))
    for number, line in enumerate(lines, start=1):
        if not isinstance(line.get("step"), int):
            raise DamagedFile(
                f"{path}, line {number}: names no step", fix=f"Remove line {number}: {LOG_FIX}"
            )
    return lines


def _short(value: Any) -> Any:
    """Return floats to seven significant digits."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
