"""`rebench doctor`: what is installed, which devices there are, and what to install."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options as opt
from harness.core.distribution import DISTRIBUTION, install_line
from harness.core.name_clash import name_clash

if TYPE_CHECKING:
    from models.spec import LoadOptions


OTHER = "ReBench"
"""A benchmarking tool on the package index whose package and command are called `rebench` too."""


def run(
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="M", help="Compare the backends' vectors of M."),
    ] = "",
    backend: opt.BackendOption = "",
    device: opt.DeviceOption = "",
    weights: opt.WeightsOption = "",
    dtype: opt.DtypeOption = "",
    trust_remote_code: opt.TrustOption = False,
    as_json: opt.JsonOption = False,
) -> None:
    """List each extra with what it lacks and the line that installs it, and the devices.

    Nothing is imported for it but torch, if it is installed, to ask for GPUs. With --model, run a
    few texts through each backend that can run that model, and compare the vectors: between
    backends, and of each text in a batch and by itself.
    """
    from harness.cli.console import print_json, print_table, print_wrapped

    if model:
        from models.spec import LoadOptions

        load = LoadOptions(
            weights=weights,
            device=device,
            dtype=dtype,
            backend=backend,
            trust_remote_code=trust_remote_code,
        )
        _compare(model, load, as_json=as_json)
        return
    extras, devices, clashes = extra_rows(), device_rows(), clash_notes()
    if as_json:
        print_json({"extras": extras, "devices": devices, "clashes": clashes})
        return
    print_table("extras", extras, as_json=False)
    print_table("devices", devices, as_json=False)
    for note in clashes:
        print_wrapped(f"note: {note}")


def _compare(model: str, load: LoadOptions, *, as_json: bool) -> None:
    """Print what each backend makes of the model; raises `ModelError` where they disagree."""
    from harness.backend_check import check_model, refuse_disagreement, rows_json
    from harness.cli.console import print_table

    rows = check_model(model, opt.settings_from(), load)
    print_table(f"backends of {model}", rows_json(rows), as_json=as_json)
    refuse_disagreement(model, rows)


def extra_rows() -> list[dict[str, Any]]:
    """Return one row an extra of the installed rebench: what is there, what is missing."""
    distribution = metadata.distribution(DISTRIBUTION)
    extras = distribution.metadata.get_all("Provides-Extra") or []
    rows = []
    for extra in sorted(extras):
        needed = sorted(_packages(distribution.requires or [], extra))
        missing = [name for name in needed if _version(name) is None]
        rows.append(
            {
                "extra": extra,
                "installed": ", ".join(f"{n} {_version(n)}" for n in needed if n not in missing),
                "missing": ", ".join(missing),
                "install": install_line(extra) if missing else "",
            }
        )
    return rows


def clash_notes() -> list[str]:
    """Return what is installed or in this folder under names that are ours too."""
    notes = []
    other = _version(OTHER)
    if other is not None:
        notes.append(
            f"{OTHER} {other} is installed: another project with the same command and import "
            f"name. Uninstall it (pip uninstall {OTHER}) and install {DISTRIBUTION} again, or use "
            "an environment of its own."
        )
    clash = name_clash()
    return [*notes, *([f"{clash}."] if clash is not None else [])]


def device_rows() -> list[dict[str, Any]]:
    """Return one row a device that models can run on; memory in GiB (None: the machine's)."""
    rows: list[dict[str, Any]] = [{"device": "cpu", "name": "processor", "memory GiB": None}]
    if _version("torch") is None:
        return rows
    import torch

    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        memory = round(facts.total_memory / 2**30, 1)
        rows.append({"device": f"cuda:{number}", "name": facts.name, "memory GiB": memory})
    return rows


def _packages(requirements: list[str], extra: str) -> set[str]:
    """Return the distributions an extra asks for, those of extras it names included."""
    found: set[str] = set()
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        if not re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", marker):
            continue
        name = re.match(r"[A-Za-z0-9._-]+", text.strip())
        nested = re.search(r"\[([^\]]*)\]", text)
        if name and name[0] == DISTRIBUTION and nested:
            for inner in nested[1].split(","):
                found |= _packages(requirements, inner.strip())
        elif name:
            found.add(name[0])
    return found


def _version(name: str) -> str | None:
    """Return the installed version of a distribution, or `None`."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
