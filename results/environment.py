"""What an entry records of the machine and the software; nothing that names a person or a host."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from harness.core.distribution import DISTRIBUTION
from harness.core.types import Json

PACKAGES = (
    DISTRIBUTION,
    "numpy",
    "scipy",
    "pytrec-eval-terrier",
    "PyStemmer",
    "ranx",
    "tokenizers",
    "safetensors",
    "pyarrow",
    "huggingface-hub",
    "httpx2",
    "wordllama",
    "model2vec",
    "torch",
    "transformers",
    "sentence-transformers",
    "peft",
    "flash-attn",
    "vllm",
    "faiss-cpu",
    "faiss-gpu-cuvs",
)
"""Distributions that can change a measured number; those not installed are left out."""

_SECONDS = 10


def environment() -> Mapping[str, Json]:
    """Return versions, processor, memory, GPUs and the commit; unknown values are `None`.

    Memory is in bytes. `commit` is given only where rebench runs from its own checkout, and
    `modified` then tells whether tracked files differ from it. No package is imported for this.
    """
    commit, modified = _commit(Path(__file__).resolve().parent.parent)
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": package_versions(PACKAGES),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": _usable_cores(),
        "memory_bytes": _memory_bytes(),
        "gpus": _gpus(),
        "commit": commit,
        "modified": modified,
    }


def package_versions(names: Sequence[str]) -> dict[str, Json]:
    """Return the versions of the named distributions that are installed."""
    versions: dict[str, Json] = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _output(command: Sequence[str], folder: Path | None = None) -> str | None:
    """Return what a program prints, or `None` if it is absent, fails or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def _commit(root: Path) -> tuple[str | None, bool | None]:
    """Return the commit of a checkout and whether tracked files differ from it.

    Both are `None` unless `root` itself is a checkout: an installed package may well lie inside
    somebody else's.
    """
    if not (root / ".git").exists() or not (root / "pyproject.toml").is_file():
        return None, None
    commit = _output(("git", "rev-parse", "HEAD"), root)
    status = _output(("git", "status", "--porcelain", "--untracked-files=no"), root)
    return commit, None if commit is None or status is None else bool(status)


def _cpu_model() -> str | None:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except (OSError, UnicodeDecodeError):
        pass
    return _output(("sysctl", "-n", "machdep.cpu.brand_string")) or platform.processor() or None


def _usable_cores() -> int | None:
    """Return the cores this process may run on (fewer than all under a CPU mask)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_bytes() -> int | None:
    """Return the machine's memory, in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _gpus() -> list[Json]:
    """Return name, memory and driver of each NVIDIA GPU; empty without the vendor's tool."""
    query = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    output = _output(query)
    return [line.strip() for line in output.splitlines() if line.strip()] if output else []
