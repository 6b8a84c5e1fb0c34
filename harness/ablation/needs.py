"""Whether this machine has what an ablation needs: packages, CUDA devices, hub repositories."""

from __future__ import annotations

from importlib.util import find_spec

from harness.ablation.spec import Needs

DATASETS = "datasets/"
PACKAGES = ("torch", "transformers", "sentence_transformers", "accelerate", "peft")
"""Modules that every training imports."""

CLIENTS = ("httpx", "httpcore", "requests", "urllib3", "huggingface_hub")
"""How the modules begin that raise what a lost connection is told with."""


def absent(needs: Needs) -> list[str]:
    """Return what is not there, each as a short sentence; empty where all is."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    lacking = []
    if missing:
        lacking.append(f"the packages {', '.join(missing)} (pip install 'rebench[train]')")
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
    """Return why a hub repository cannot be had, empty where it is fetched or within reach."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    kind = "dataset" if name.startswith(DATASETS) else "model"
    repository = name.removeprefix(DATASETS)
    try:
        snapshot_download(repository, repo_type=kind, local_files_only=True)
    except (LocalEntryNotFoundError, OSError, ValueError):
        pass
    else:
        return ""
    try:
        HfApi().repo_info(repository, repo_type=kind, timeout=10)
    except HfHubHTTPError as error:
        return f"the {kind} {repository} (the hub refuses it: {_first_line(error)})"
    except Exception as error:
        if _is_connection(error):
            return f"the {kind} {repository} (not fetched, and the hub cannot be reached)"
        raise
    return ""


def _is_connection(error: Exception) -> bool:
    """Tell whether a hub call failed for want of a connection, whichever client it uses."""
    return isinstance(error, OSError) or type(error).__module__.startswith(CLIENTS)


def _first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(error).splitlines() or [type(error).__name__])[0]
