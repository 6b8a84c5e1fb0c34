"""Device and number format, told from files and versions only."""

from __future__ import annotations

import pytest

from harness.core.errors import BadInput
from models import devices
from models.devices import compute_dtype, find_device, usable_cores


@pytest.mark.parametrize(
    ("wanted", "card", "device", "found"),
    [
        ("", "bfloat16", "cpu", "float32"),
        ("", "bfloat16", "cuda", "bfloat16"),
        ("", "", "cuda:1", "float32"),
        ("bfloat16", "float16", "cpu", "bfloat16"),
        ("float32", "float16", "cuda", "float32"),
    ],
)
def test_the_number_format_is_what_is_said(wanted, card, device, found):
    assert compute_dtype(wanted, card, device) == found


def test_an_unknown_number_format_is_refused():
    with pytest.raises(BadInput, match="int4"):
        compute_dtype("int4", "", "cpu")


@pytest.mark.parametrize(
    ("files", "environment", "found"),
    [
        ((), {}, False),
        (("nvidia0",), {}, True),
        (("nvidiactl", "nvidia-uvm"), {}, False),
        (("dxg",), {}, True),
        (("nvidia0",), {"CUDA_VISIBLE_DEVICES": ""}, False),
        (("nvidia0",), {"CUDA_VISIBLE_DEVICES": "-1"}, False),
        (("nvidia0",), {"CUDA_VISIBLE_DEVICES": "0"}, True),
    ],
)
def test_a_gpu_is_seen_by_its_device_file(files, environment, found, tmp_path):
    for name in files:
        (tmp_path / name).touch()
    assert devices._has_gpu(environment, tmp_path) is found


def test_what_is_wanted_is_taken_as_it_is(monkeypatch):
    assert find_device("cuda:3") == "cuda:3"
    monkeypatch.setattr(devices, "_has_gpu", lambda environment, folder: True)
    monkeypatch.setattr(devices, "version", lambda name: "2.13.0+cpu")
    assert find_device("") == "cpu"
    monkeypatch.setattr(devices, "version", lambda name: "2.13.0")
    assert find_device("") == "cuda"


@pytest.mark.parametrize(
    ("content", "most"), [("max 100000", 10**6), ("150000 100000", 1), ("50000 100000", 1),
                          ("nonsense", 10**6)],
)  # fmt: skip
def test_a_containers_limit_is_kept(content, most, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "CGROUP_LIMIT", tmp_path / "cpu.max")
    free = usable_cores()
    (tmp_path / "cpu.max").write_text(content)
    assert 1 <= usable_cores() <= min(most, free)
    assert usable_cores() == min(most, free)
