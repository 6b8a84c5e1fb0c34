"""oneDNN's products are the plain layer's, and nothing changes where they are not to be had."""

from __future__ import annotations

import platform

import pytest

torch = pytest.importorskip("torch")

from models.backends import cpu_linear  # noqa: E402
from models.backends.cpu_kernels import CpuSpeeds  # noqa: E402
from models.backends.cpu_linear import speed_up  # noqa: E402

X86 = platform.machine() in ("x86_64", "AMD64")


def usable(dtype):
    """Whether oneDNN has products of this type here: bfloat16 needs AVX-512 or newer."""
    return X86 and (dtype == "float32" or torch.ops.mkldnn._is_mkldnn_bf16_supported())


@pytest.fixture(autouse=True)
def _near_ties(monkeypatch):
    """Decide by what agrees, and not by how busy this machine is."""
    monkeypatch.setattr(cpu_linear, "cpu_speeds", lambda: CpuSpeeds(50.0, 50.0, 50.0))


def network(dtype=torch.float32):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(64, 96), torch.nn.GELU(), torch.nn.Linear(96, 32, bias=False)]
    return torch.nn.Sequential(*layers).to(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_products_stay_the_same(dtype, tolerance):
    plain, fast = network(getattr(torch, dtype)), network(getattr(torch, dtype))
    assert speed_up(fast) == (2 if usable(dtype) else 0)
    values = torch.randn(3, 7, 64, dtype=getattr(torch, dtype))
    with torch.inference_mode():
        assert torch.allclose(plain(values), fast(values), atol=tolerance, rtol=tolerance)
    assert [name for name, _ in fast.named_parameters()] == [
        name for name, _ in plain.named_parameters()
    ]


def test_a_product_that_is_wrong_or_missing_is_not_used(monkeypatch):
    monkeypatch.setattr(
        cpu_linear, "onednn_product", lambda values, weight, bias: values @ weight.T * 2
    )
    assert speed_up(network()) == 0

    def missing(values, weight, bias):
        raise AttributeError("no such operator")

    monkeypatch.setattr(cpu_linear, "onednn_product", missing)
    assert speed_up(network()) == 0


def test_other_types_are_left_alone():
    assert speed_up(network(torch.float64)) == 0
    assert speed_up(torch.nn.Sequential()) == 0
