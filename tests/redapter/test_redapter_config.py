"""Recipes: shipped files, unknown keys, wrong types and ranges, overrides, first stage."""

from __future__ import annotations

import re

import pytest

from harness.core.errors import BadInput
from redapter.config_file import (
    config_from_table,
    config_hash,
    config_json,
    differences,
    first_stage_of,
    read_config,
    shipped_recipes,
)

SMALL = {"name": "tiny", "model": {"base": "somewhere"}}


def test_defaults_are_the_released_recipe():
    config = config_from_table(SMALL, "here")
    assert (config.loss.kappa, config.loss.temperature, config.loss.warmup_steps) == (5, 0.02, 100)
    assert (config.lora.rank, config.lora.alpha, len(config.lora.targets)) == (32, 64, 7)
    assert (config.batch.size, config.batch.group_size, config.train.seed) == (8, 16, 42)
    assert config.data.query_format == "Instruct: {prompt}\nQuery: {query}"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"batch": {"groupsize": 4}}, r"unknown key 'batch.groupsize'\n.*batch.group_size"),
        ({"los": {}}, r"unknown key 'los'\n.*Did you mean loss"),
        ({"loss": {"kapa": 1}}, "loss.kappa"),
        ({"batch": {"size": "8"}}, r"batch.size = '8'\nIt must be of type int"),
        ({"batch": {"size": True}}, "batch.size = True"),
        ({"batch": {"size": 0}}, "batch.size = 0"),
        ({"batch": 3}, "batch = 3"),
        ({"loss": {"kind": "redaptor"}}, "here: loss kind 'redaptor'"),
        ({"loss": {"temperature": 0}}, "temperature = 0"),
        ({"lora": {"targets": [1]}}, "lora.targets"),
        ({"train": {"device": "gpu"}}, r"train.device = 'gpu'\n.*'cuda'"),
        ({"train": {"learning_rate": 0}}, "learning_rate"),
        ({"train": {"learning_rate": float("nan")}}, "learning_rate"),
        ({"train": {"warmup_ratio": 1.5}}, "warmup_ratio"),
        ({"train": {"save_limit": 1}}, "save_limit = 1"),
        ({"data": {"query_format": "{query} {q}"}}, "query_format"),
        ({"data": {"query_format": "{prompt}"}}, "exactly once"),
        ({"data": {"reasoning_format": "{query}"}}, "must name {reasoning} exactly once"),
        ({"data": {"reasoning_format": "{reasoning} {r}"}}, "name {reasoning} and {query} only"),
        ({"data": {"reasoning_format": "{reasoning"}}, "reasoning_format"),
        ({"train": {"scheduler": "warmup_decay"}}, "'warmup-decay'"),
        ({"data": {"max_query_length": 100}}, "max_query_length = 100 is no multiple"),
        ({"model": {"base": ""}}, "model.base is empty"),
        ({"name": "a/b"}, "name = 'a/b'"),
        ({"first_stage": {"data": {"pat": "x"}}}, "first_stage: unknown key 'data.pat'"),
        ({"first_stage": {"first_stage": {}}}, "two stages at most"),
    ],
)
def test_mistakes_are_named(table, said):
    with pytest.raises(BadInput) as error:
        config_from_table({**SMALL, **table}, "here")
    assert re.search(said, str(error.value), re.DOTALL), str(error.value)


def test_a_missing_name_is_said():
    with pytest.raises(BadInput, match="name is missing"):
        config_from_table({"model": {"base": "x"}}, "here")


def test_overrides_are_toml_or_text(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('name = "tiny"\n[model]\nbase = "x"\n[batch]\nsize = 4\n')
    config = read_config(
        str(path),
        [
            "loss.kappa=0",
            "batch.group_size=3",
            "model.base=owner/name",
            'lora.targets=["query"]',
            "train.bf16=true",
        ],
    )
    assert config.loss.kappa == 0.0
    assert config.model.base == "owner/name"
    assert config.lora.targets == ("query",)
    assert config.train.bf16 is True
    assert (config.batch.size, config.batch.group_size) == (4, 3)
    for bad in ("loss.kappa", "=3", "loss..kappa=3"):
        with pytest.raises(BadInput, match="--set"):
            read_config(str(path), [bad])
    with pytest.raises(BadInput, match=r"loss\.kappa"):
        read_config(str(path), ["loss.kapp=3"])


def test_files_that_are_not_recipes(tmp_path):
    with pytest.raises(BadInput, match=r"no recipe at nowhere\n.*demo"):
        read_config("nowhere")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(BadInput, match="not TOML"):
        read_config(str(tmp_path / "bad.toml"))


def test_the_first_stage_is_the_recipe_with_its_keys_on_top():
    config = config_from_table(
        {
            **SMALL,
            "batch": {"size": 4},
            "first_stage": {"data": {"path": "ms.jsonl"}, "loss": {"kind": "infonce"}},
        },
        "here",
    )
    first = first_stage_of(config)
    assert first.name == "tiny-first-stage"
    assert (first.data.path, first.loss.kind, first.batch.size) == ("ms.jsonl", "infonce", 4)
    assert first.first_stage == {}
    assert config.loss.kind == "redapter"


def test_json_round_trips_and_differences_name_keys():
    config = config_from_table({**SMALL, "batch": {"size": 4}}, "here")
    again = config_from_table(config_json(config), "there")
    assert again == config
    assert config_hash(again) == config_hash(config)
    other = config_from_table({**SMALL, "batch": {"size": 2}}, "here")
    assert differences(config_json(config), config_json(other)) == ["batch.size: 4 -> 2"]
    assert config_hash(other) != config_hash(config)


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipes_are_sound(name):
    config = read_config(name)
    assert config.name
    assert config.loss.kappa == 5.0
