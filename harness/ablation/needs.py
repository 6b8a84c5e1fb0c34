"""Whether this machine has what an ablation needs: packages, CUDA devices, hub repositories."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from harness.ablation.spec import Needs
from harness.core.distribution import install_line
from harness.core.errors import DataUnavailable

DATASETS = "datasets/"
PACKAGES = ("torch", "transformers", "sentence_transformers", "accelerate", "peft")
"""Modules that every training imports."""


def absent(needs: Needs) -> list[str]:
    """Return what is not there, each as a short sentence; empty where all is."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    lacking = []
    if missing:
        lacking.append(f"the packages {', '.join(missing)} ({install_line('train')})")
    if needs.gpus and (found := _devices(torch_there="torch" not in missing)) < needs.gpus:
        lacking.append(f"{needs.gpus} CUDA device(s) (torch sees {found})")
    return [*lacking, *(text for name in needs.hub if (text := _hub_lack(name)))]


def _devices(*, torch_there: bool) -> int:
    """Return the CUDA devices that torch sees."""
    if not torch_there:
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _hub_lack(name: str) -> str:
    """Return why a hub repository cannot be had, empty if it is fetched or within reach."""
    from harness.core.hub import HubRepository, ask, is_fetched

    kind: Literal["dataset", "model"] = "dataset" if name.startswith(DATASETS) else "model"
    repository = HubRepository(name.removeprefix(DATASETS), kind)
    if is_fetched(repository):
        return ""
    try:
        ask(repository)
    except DataUnavailable as error:
        return f"the {kind} {repository.id} ({error.message})"
    return ""
