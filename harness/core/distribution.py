"""The installed distribution: its name on the package index is not the name of its command."""

from __future__ import annotations

from importlib import metadata

DISTRIBUTION = "rebench-retrieval"
"""`rebench` on the index is another project, a benchmarking tool."""


def installed_version() -> str:
    """Return the installed version, empty for a checkout that is not installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return ""


def install_line(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
