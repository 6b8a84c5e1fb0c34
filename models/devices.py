"""Which device and number format a model runs in, told without importing torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.core.errors import BadInput
from models.card import DTYPES

CPU = "cpu"
CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def find_device(wanted: str) -> str:
    """Return the torch device to run on: what is wanted, else `cuda` where there is one.

    Looks at device files and the installed torch build only; a wrong guess is met when the
    model is loaded, and reported then.
    """
    if wanted:
        return wanted
    return "cuda" if _has_gpu(os.environ, Path("/dev")) and _torch_can_use_it() else CPU


def compute_dtype(wanted: str, card_dtype: str, device: str) -> str:
    """Return the number format: what is wanted, else float32 on a CPU and the card's elsewhere.

    Never the checkpoint's own: transformers 5 would load each model in whatever format it was
    saved in. Raises `BadInput` for an unknown format.
    """
    if wanted not in DTYPES:
        known = ", ".join((*filter(None, DTYPES), "auto"))
        raise BadInput(f"unknown number format {wanted!r}", fix=f"Choose --dtype from {known}.")
    if wanted:
        return wanted
    return "float32" if device == CPU else card_dtype or "float32"


def usable_cores() -> int:
    """Return the processor cores this process may use: affinity and container limit, 1 or more."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = CGROUP_LIMIT.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def limit_threads() -> None:
    """Keep torch to the cores this process may use, unless OMP_NUM_THREADS says otherwise.

    In a container torch counts the machine's cores, and threads that wait for each other on too
    few of them cost more than they bring.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))


def _has_gpu(environment: Mapping[str, str], devices: Path) -> bool:
    """Tell whether an NVIDIA device is present and not hidden."""
    if environment.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()


def _torch_can_use_it() -> bool:
    """Tell whether the installed torch is not a CPU-only build."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
