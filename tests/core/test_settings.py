"""Flags over environment over `rebench.toml` over defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import BadInput
from harness.core.settings import PATH_KEYS, load_settings


def test_defaults_without_anything(tmp_path: Path):
    settings = load_settings(tmp_path, {"XDG_CACHE_HOME": "/c"})
    assert settings.cache_dir == Path("/c/rebench")
    assert settings.results_dir == tmp_path / "results" / "measured"
    assert settings.data_dir is None
    assert settings.models == {}


@pytest.mark.parametrize("key", PATH_KEYS)
def test_each_source_beats_the_next(tmp_path: Path, key: str):
    (tmp_path / "rebench.toml").write_text(f'{key} = "from-file"\n', encoding="utf-8")
    field = f"{key}_dir"
    environment = {PATH_KEYS[key]: "/from-environment"}
    assert getattr(load_settings(tmp_path, {}), field) == tmp_path / "from-file"
    assert getattr(load_settings(tmp_path, environment), field) == Path("/from-environment")
    flagged = load_settings(tmp_path, environment, **{key: Path("/from-flag")})
    assert getattr(flagged, field) == Path("/from-flag")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cache = [", "is not TOML"),
        ('cashe = "x"', "unknown setting 'cashe'"),
        ("cache = 3", "cache = 3"),
        ('models = "x"', "models = 'x'"),
        ("[models]\nx = 1", "models = "),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "rebench.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=complaint):
        load_settings(tmp_path, {})


def test_model_tables_are_kept(tmp_path: Path):
    (tmp_path / "rebench.toml").write_text('[models.mine]\nhub_id = "a/b"\n', encoding="utf-8")
    assert load_settings(tmp_path, {}).models == {"mine": {"hub_id": "a/b"}}
