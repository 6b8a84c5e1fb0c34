"""Reading an ablation: a TOML file or a preset that ships, cut down to what is asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from harness.ablation.spec import ALL, Spec
from harness.core.errors import BadInput, UnknownName
from harness.core.tables import build_table

DEFAULT_PRESET = "demo"


def shipped() -> dict[str, Path]:
    """Return the ablations that ship, as `NAME-PRESET` -> file."""
    folder = Path(str(files("harness.ablation").joinpath("presets")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_spec(source: str, preset: str = "") -> Spec:
    """Return the checked ablation of a TOML file, or of a shipped name with one of its presets.

    Raises `UnknownName` with the nearest names, `BadInput` for TOML that does not parse, unknown
    keys (with did-you-mean), wrong types and what `Spec` refuses.
    """
    path = _file(source, preset)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name} is not TOML: {error}", fix="Mend the file.") from error
    return build_table(Spec, table, path.name)


def _file(source: str, preset: str) -> Path:
    """Return the file that a name or path stands for."""
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        if preset:
            raise BadInput(f"--preset {preset!r} with a file", fix="Presets belong to names.")
        if not path.is_file():
            raise BadInput(f"no ablation at {source}", fix="Check the path.")
        return path
    known = shipped()
    names = sorted({name.partition("-")[0] for name in known})
    if source not in names:
        raise UnknownName("ablation", source, names, listing=f"Name {_or(names)}, or a TOML file.")
    presets = [name.partition("-")[2] for name in known if name.partition("-")[0] == source]
    wanted = preset or DEFAULT_PRESET
    if wanted not in presets:
        raise UnknownName("preset", wanted, presets, listing=f"{source} has: {', '.join(presets)}.")
    return known[f"{source}-{wanted}"]


def cut(
    spec: Spec,
    *,
    variants: Sequence[str] = (),
    seeds: Sequence[int] = (),
    tasks: Sequence[str] = (),
) -> Spec:
    """Return the ablation with only the variants, seeds and tasks that are asked for.

    Without `variants`, those that are not on request; `all` stands for every one. The baseline
    stays; comparisons of what is left out go. Raises `UnknownName`, and what `Spec` raises.
    """
    wanted = list(spec.variants) if ALL in variants else list(variants)
    for name in wanted:
        if name not in spec.variants:
            listing = f"There are: {', '.join(spec.variants)}, and {ALL}."
            raise UnknownName("variant", name, spec.variants, listing=listing)
    if not wanted:
        wanted = [name for name, each in spec.variants.items() if not each.on_request]
    kept = {
        name: each
        for name, each in spec.variants.items()
        if name in wanted or name == spec.baseline
    }
    sides = {*kept, spec.reference.title}
    written = tuple(pair for pair in spec.comparisons if sides.issuperset(pair))
    named = {side for pair in written for side in pair}
    # A variant that no written comparison names would be trained for nothing.
    added = tuple((name, spec.baseline) for name in kept if spec.comparisons and name not in named
                  and name != spec.baseline)  # fmt: skip
    return replace(
        spec,
        variants=kept,
        comparisons=(*written, *added),
        seeds=tuple(seeds) or spec.seeds,
        tasks=tuple(tasks) or spec.tasks,
    )


def _or(names: Sequence[str]) -> str:
    """Return names as `a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
