"""A colour ramp for values that works without seeing hue: lightness alone carries the order.

One blue hue of even steps in OKLab lightness (B. Ottosson, "A perceptual color space for image
processing", 2020), pale to deep on a light page and dark to bright on a dark one. Whatever a
colour-blind reader sees of the hue, the steps stay in order. The ramps end where black text (on
light) and white text (on dark) still contrast well, so that text has one colour throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS = 11
HUE = math.radians(250)


@dataclass(frozen=True, slots=True)
class Shade:
    """One step: background and text as `#rrggbb`."""

    background: str
    text: str


def light_ramp() -> tuple[Shade, ...]:
    """Return the steps for a light page, lowest value first."""
    return tuple(_shade(0.98 - 0.36 * at, 0.008 + 0.112 * at) for at in _places())


def dark_ramp() -> tuple[Shade, ...]:
    """Return the steps for a dark page, lowest value first."""
    return tuple(_shade(0.22 + 0.32 * at, 0.015 + 0.105 * at) for at in _places())


def step(value: float, low: float, high: float) -> int:
    """Return the step of a value between the ends of its scale; the middle where they are one."""
    if high <= low:
        return STEPS // 2
    return min(STEPS - 1, max(0, round((value - low) / (high - low) * (STEPS - 1))))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, section 1.4.3)."""
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a `#rrggbb` colour, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _places() -> tuple[float, ...]:
    """Return the steps' places from 0 to 1."""
    return tuple(at / (STEPS - 1) for at in range(STEPS))


def _shade(lightness: float, chroma: float) -> Shade:
    """Return a background of the ramp's hue and the text that goes on it."""
    background = _oklch(lightness, chroma)
    text = max(("#000000", "#ffffff"), key=lambda each: contrast(each, background))
    return Shade(background, text)


def _oklch(lightness: float, chroma: float) -> str:
    """Return an OKLCh colour of the ramp's hue in sRGB (matrices as published with OKLab)."""
    a, b = chroma * math.cos(HUE), chroma * math.sin(HUE)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    channels = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _encoded(each)):02x}" for each in channels)


def _encoded(linear: float) -> float:
    """Return a linear channel in sRGB's encoding, cut to 0 to 1 (IEC 61966-2-1)."""
    cut = min(1.0, max(0.0, linear))
    return 12.92 * cut if cut <= 0.0031308 else 1.055 * cut ** (1 / 2.4) - 0.055


def _linear(encoded: float) -> float:
    """Return a channel in sRGB's encoding as linear light."""
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4
