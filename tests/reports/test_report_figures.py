"""What figures are made of: places of names, short numbers, no global state left behind."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.render import numbers
from harness.render.figures import drawing, rendered
from harness.render.scatter import SIDES, name_sides, short
from harness.stats.bootstrap import Interval

UNIT = st.floats(0.05, 0.95)


@given(st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=5), st.integers(1, 12))
def test_names_stay_inside_and_apart_where_they_can(
    places: list[tuple[float, float]], letters: int
) -> None:
    names = ["x" * letters] * len(places)
    sides = name_sides(names, places)
    boxes = [side.box(*at, letters) for side, at in zip(sides, places, strict=True)]
    assert len(sides) == len(places)
    for at, (side, box) in enumerate(zip(sides, boxes, strict=True)):
        apart = all(
            box.left >= o.right or o.left >= box.right or box.bottom >= o.top or o.bottom >= box.top
            for o in boxes[:at]
        )
        assert apart or side is SIDES[0]


def test_a_name_at_the_right_edge_turns_left() -> None:
    (side,) = name_sides(["a-long-name"], [(0.97, 0.5)])
    assert side.horizontal == "right"
    assert name_sides(["b"], [(0.5, 0.5)])[0].horizontal == "left"


@pytest.mark.parametrize(
    ("value", "text"), [(500, "500"), (2e4, "20k"), (3.35e8, "335M"), (7.5e9, "7.5B")]
)
def test_short_counts(value: float, text: str) -> None:
    assert short(value) == text


def test_figures_leave_matplotlibs_settings_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with drawing(3, 2) as figure:
        figure.add_subplot().plot([0, 1])
        assert set(rendered(figure)) == {"png", "svg"}
    assert dict(mpl.rcParams) == before


def test_matplotlib_is_imported_only_to_draw() -> None:
    probe = (
        "import sys, harness.reports.write, harness.cli.report, harness.cli.compare\n"
        "print('matplotlib' in sys.modules, 'pyplot' in str(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_numbers_in_words() -> None:
    assert numbers.signed(0.012345) == "+1.23"
    assert numbers.signed(-0.012345) == "−1.23"
    assert numbers.signed(-0.00001) == "0.00"
    assert numbers.signed_interval(Interval(-0.1, 0.2, 0.95)) == "−10.00 to +20.00"
    assert numbers.p_value(1 / 10_001) == "0.0001"
    assert numbers.p_value(3e-9) == "3.0e-09"
    assert numbers.p_value(0.0) == "0.0000"
    assert (numbers.p_value(None), numbers.points(None), numbers.decimal(None)) == ("–", "–", "–")
    assert numbers.few(["a", "b", "c"]) == "a, b, c"
    assert numbers.few(["a", "b", "c", "d"]) == "a, b and 2 more"
