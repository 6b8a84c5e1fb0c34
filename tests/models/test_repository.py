"""A card and its repository: what they differ in is listed, and the card wins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry import make_embedder, resolve_model, shipped_cards
from models.repository import check_repository
from models.spec import LoadOptions
from tests.helpers import fake_hub
from tests.helpers.command_run import runner

pytest.importorskip("sentence_transformers")

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import json
from dataclasses import asdict
from models.registry import resolve_model
from models.repository import check_repository
from models.spec import LoadOptions
cards = {"mine": {"backend": "sentence-transformers", "hub_id": "org/model", "pooling": "mean",
                  "normalize": True}}
spec = resolve_model("mine", LoadOptions(device="cpu"), cards)
print(json.dumps([asdict(check_repository(spec, ask_hub=ask)) for ask in (False, True, False)]))
"""


def mine(folder: Path, **fields: object) -> dict:
    options = {"folder": str(folder)}
    return {"mine": {"backend": "sentence-transformers", "options": options, **fields}}


def differences(cards: dict) -> dict[str, tuple[object, object]]:
    check = check_repository(resolve_model("mine", LoadOptions(device="cpu"), cards))
    assert check is not None
    assert not check.unknown
    return {each.setting: (each.card, each.repository) for each in check.differences}


def test_each_setting_that_differs_is_listed_and_the_card_is_run(bert: Path):
    same = {"pooling": "mean", "normalize": True}
    assert differences(mine(bert, **same)) == {}
    own = {"query_instruction": "find: ", "max_query_length": 9}
    cards = mine(bert, pooling="cls", normalize=False, **own)
    found = differences(cards)
    assert found["pooling"] == ("cls", "mean")
    assert found["normalize"] == (False, True)
    assert found["query_instruction"] == ("find: ", "")
    assert found["max_query_length"][0] == 9
    assert set(found) == {"pooling", "normalize", "query_instruction", "max_query_length"}
    embedder = make_embedder(resolve_model("mine", LoadOptions(device="cpu"), cards))
    assert embedder.identity["pooling"] == "cls"


def test_what_has_no_card_or_no_settings_is_not_compared(bert: Path):
    assert check_repository(resolve_model(str(bert), LoadOptions(), {})) is None
    for name in ("bm25", "wordllama"):
        assert check_repository(resolve_model(name, LoadOptions(), {})) is None


def test_a_shipped_card_says_what_its_package_says():
    check = check_repository(resolve_model("minilm", LoadOptions(device="cpu"), {}))
    assert check is not None
    assert (check.differences, check.unknown) == ((), "")


def test_the_hub_is_asked_only_if_that_is_wanted(qwen3: Path, tmp_path: Path):
    with fake_hub.serve(qwen3, "org/model") as (address, asked):
        environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": address}
        environment.pop("HF_HUB_OFFLINE", None)
        done = subprocess.run(
            [sys.executable, "-c", PROBE], capture_output=True, text=True, cwd=ROOT, check=True,
            env=environment,
        )  # fmt: skip
        assert not any("safetensors" in path for path in asked), "settings are enough"
    before, wanted, afterwards = json.loads(done.stdout)
    assert "nothing of the repository is here" in before["unknown"]
    assert wanted["differences"][0] == {"setting": "pooling", "card": "mean", "repository": "last"}
    assert afterwards == wanted, "what was fetched is looked at again"


def test_the_command_shows_them(bert: Path, tmp_path: Path, monkeypatch, capsys):
    table = '[models.mine]\nbackend = "sentence-transformers"\npooling = "cls"\n'
    table += f'options = {{ folder = "{bert}" }}\n'
    (tmp_path / "rebench.toml").write_text(table)
    models = runner(capsys, monkeypatch, tmp_path, "models")
    assert models("mine", "--json").json["repository"]["pooling"] == "'mean'; the card wins"
    shown = models("mine").out
    assert "repository.pooling" in shown
    hub_only = next(card.name for card in shipped_cards().values() if card.backend == "late")
    assert "nothing of the repository is here" in models(hub_only, "--json").json["repository"]
