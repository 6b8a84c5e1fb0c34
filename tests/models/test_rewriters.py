"""Rewriters' cards: sourced, listed, and used by a stage only with the prompt they know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.core.errors import BadInput, UnknownName
from harness.pipelines.staged.pipeline import Pipeline
from harness.pipelines.staged.spec import METHODS, RewriteStage
from models.chat.rewriters import find_rewriter, shipped_rewriters

CARDS = shipped_rewriters()
NOT_A_FACT = {"name", "title", "sources"}


def pipeline(folder: Path, settings: str) -> Pipeline:
    path = folder / "p.toml"
    path.write_text(
        "[[pipelines.p.stage]]\nname = 'ask'\nkind = 'rewrite'\nllm = 'http://localhost/v1'\n"
        f"{settings}\n"
        "[[pipelines.p.stage]]\nname = 'find'\nkind = 'retrieve'\nmodels = ['bm25']\n"
    )
    return Pipeline.from_toml(path)


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_every_fact_has_a_source_and_every_method_a_prompt(card):
    assert set(card.json) - NOT_A_FACT == set(card.sources)
    assert card.method in METHODS
    assert find_rewriter(card.hub_id.upper()) is card


def test_a_stage_takes_what_it_does_not_say_from_the_card(tmp_path: Path):
    found = pipeline(tmp_path, "rewriter = 'tongsearch-qr-7b'\nprompts = 'own'\nmax_tokens = 99")
    stage = found.stage("ask")
    assert isinstance(stage, RewriteStage)
    assert (stage.method, stage.max_tokens) == ("reason", 99)
    assert stage.llm_model == "TongSearch/TongSearch-QR-7B"
    assert stage.prompts == str(tmp_path / "own")


def test_its_own_prompt_is_needed_and_its_name_is_checked(tmp_path: Path):
    with pytest.raises(BadInput, match="trained on a prompt of its own") as caught:
        pipeline(tmp_path, "rewriter = 'inf-query-aligner'")
    assert "concise.txt" in caught.value.fix
    with pytest.raises(UnknownName, match="inf-query-aligner"):
        pipeline(tmp_path, "rewriter = 'inf-query-aliner'\nprompts = 'own'")


def test_models_lists_them_and_shows_a_card():
    listed = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert {row.get("rewriter") for row in listed} == {None, *CARDS, "any chat model"}
    assert "any chat model" in CliRunner().invoke(app, ["models"]).output
    shown = CliRunner().invoke(app, ["models", "inf-query-aligner"]).output
    assert "infly/inf-query-aligner" in shown
    assert "prompts" in shown
