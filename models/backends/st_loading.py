"""Loads a folder with one of sentence-transformers' classes; failures come out as our errors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import BadInput, MissingExtra, OutOfMemory
from harness.core.weight_files import weight_errors

CPU_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "DefaultCPUAllocator")


@dataclass(frozen=True, slots=True)
class Loading:
    """A folder's weights, and the device and number format to load them for."""

    name: str
    folder: Path
    device: str
    dtype: str
    trust_remote_code: bool = False


def load_folder(kind: str, how: Loading) -> Any:
    """Return a folder's model as an object of sentence-transformers' class `kind`, for inference.

    Raises `MissingExtra`, `BadInput` for a GPU that is not there, `ModelError` for bad weights.
    """
    try:
        import sentence_transformers
        import torch
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "torch") from error
    _check_device(how.device)
    with weight_errors(how.name, how.folder), _quiet(), memory_errors():
        model = getattr(sentence_transformers, kind)(
            str(how.folder),
            device=how.device,
            trust_remote_code=how.trust_remote_code,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, how.dtype)},
        )
    return model.eval()


def _check_device(device: str) -> None:
    """Raise `BadInput` for a GPU that torch does not see."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(
            f"the device {device!r} is not there for torch {torch.__version__}",
            fix="Pass --device cpu, or install a torch build that fits the driver.",
        )


def free_memory() -> None:
    """Give back the memory of networks that nothing names any more, a GPU's to its driver.

    Their modules refer to each other, so that they stay until they are looked for; torch keeps
    what was theirs for itself, and another process or engine finds it taken.
    """
    import torch

    gc.collect()
    torch.cuda.empty_cache()


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn a failed allocation, on a GPU or a CPU, into `OutOfMemory`."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise OutOfMemory(str(error)) from None
    except RuntimeError as error:
        if any(word in str(error) for word in CPU_MEMORY_WORDS):
            raise OutOfMemory(str(error)) from None
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own bars and notes off the terminal while weights are loaded."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
