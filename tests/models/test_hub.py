"""Downloading: the hub's own client against a hub on this machine, in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from models.weights import folder_hash
from tests.helpers import fake_hub

ROOT = Path(__file__).resolve().parent.parent.parent
PROBE = """
import sys
from harness.core.errors import RebenchError
from models.registry import resolve_model, make_embedder
from models.spec import LoadOptions
options = LoadOptions(device="cpu")
embedder = make_embedder(resolve_model(sys.argv[1], options, {}))
try:
    print(embedder.identity["weights"], embedder.identity["pooling"], "torch" in sys.modules)
    if len(sys.argv) > 2:
        print(embedder._weights.fetch())
except RebenchError as error:
    print(error)
"""


def probe(address, home, *arguments):
    environment = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": address}
    for name in ("HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hub_model_is_asked_for_downloaded_and_then_at_hand(qwen3, tmp_path):
    served = shutil.copytree(qwen3, tmp_path / "served")
    (served / "pytorch_model.bin").write_bytes(b"a second copy")
    (served / "onnx").mkdir()
    (served / "onnx" / "model.onnx").write_bytes(b"for another program")
    wanted = f"hub:{fake_hub.COMMIT} last False"
    home = tmp_path / "home"
    with fake_hub.serve(served, "org/model") as (address, asked):
        assert probe(address, home, "org/model").strip() == wanted
        assert not any("safetensors" in path for path in asked)
        told, folder = probe(address, home, "org/model", "fetch").splitlines()
        assert told == wanted
        assert any(path.endswith("model.safetensors") for path in asked)
        assert not any(path.endswith((".bin", ".onnx")) for path in asked)
    assert folder_hash(Path(folder)) == folder_hash(qwen3)
    assert probe("http://127.0.0.1:9", home, "org/model", "fetch").splitlines() == [wanted, folder]


def test_a_model_the_hub_does_not_have_is_told(qwen3, tmp_path):
    with fake_hub.serve(qwen3, "org/model") as (address, _):
        told = probe(address, tmp_path / "home", "org/another")
    assert "no model 'org/another'" in told
    assert "--weights DIR" in told
