"""The colour ramp: in order by lightness for every kind of eye, and text that can be read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from harness.render.colour_scale import (
    STEPS,
    Shade,
    contrast,
    dark_ramp,
    light_ramp,
    luminance,
    step,
)

# Severe deficiencies in linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009), table 1.
SEEN_BY = {
    "all cones": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "protanopia": (
        0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216,
        -0.003882, -0.048116, 1.051998,
    ),
    "deuteranopia": (
        0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413,
        -0.011820, 0.042940, 0.968881,
    ),
    "tritanopia": (
        1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602,
        0.004733, 0.691367, 0.303900,
    ),
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("ramp", [light_ramp(), dark_ramp()], ids=["light", "dark"])
@pytest.mark.parametrize("eye", SEEN_BY)
def test_steps_keep_their_order_for_every_eye(ramp: tuple[Shade, ...], eye: str):
    weights = np.array([0.2126, 0.7152, 0.0722])
    seen_by = np.reshape(SEEN_BY[eye], (3, 3))
    seen = [float(weights @ seen_by @ linear(shade.background)) for shade in ramp]
    gaps = [other - one for one, other in pairwise(seen)]
    assert len({gap > 0 for gap in gaps}) == 1
    # Lightness L* of neighbours differs by at least 2, about what an eye tells apart side by side.
    lightness = [116 * np.cbrt(max(value, 0.008856)) - 16 for value in seen]
    assert min(abs(other - one) for one, other in pairwise(lightness)) >= 2


@pytest.mark.parametrize("ramp", [light_ramp(), dark_ramp()], ids=["light", "dark"])
def test_text_contrasts_by_wcag_aa_and_has_one_colour(ramp: tuple[Shade, ...]):
    assert min(contrast(shade.text, shade.background) for shade in ramp) >= 4.5
    assert len({shade.text for shade in ramp}) == 1
    assert len(ramp) == STEPS


def test_contrast_has_its_known_ends():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1
    assert luminance("#ff0000") == pytest.approx(0.2126)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0), (1.0, STEPS - 1), (0.5, 5), (-1.0, 0), (2.0, STEPS - 1)]
)
def test_values_fall_on_steps(value: float, expected: int):
    assert step(value, 0.0, 1.0) == expected


def test_a_scale_without_width_is_all_middle():
    assert step(0.3, 0.3, 0.3) == STEPS // 2
