"""The Pareto front, against its definition, and axes that hold a cost of nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.render.figures import drawing
from harness.render.scatter import ScatterPoint, pareto_front, scatter

COSTS = st.one_of(st.just(0.0), st.floats(1e-3, 1e9))
VALUES = st.integers(0, 9).map(float)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_dominates(values: list[tuple[float, float]]) -> None:
    points = [ScatterPoint(str(at), cost, good) for at, (cost, good) in enumerate(values)]
    undominated = {
        (each.cost, each.quality)
        for each in points
        if not any(
            (o.cost <= each.cost and o.quality >= each.quality)
            and (o.cost < each.cost or o.quality > each.quality)
            for o in points
        )
    }
    front = pareto_front(points)
    assert [(each.cost, each.quality) for each in front] == sorted(undominated)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(COSTS, st.floats(0, 100)), min_size=1, max_size=5))
def test_every_point_lies_inside_the_axes(values: list[tuple[float, float]]) -> None:
    points = [ScatterPoint(str(at), cost, good) for at, (cost, good) in enumerate(values)]
    with drawing(4, 3) as figure:
        axes = figure.add_subplot()
        scatter(axes, points, front=True)
        low, high = axes.get_xlim()
        assert all(low < each.cost < high for each in points)
        if any(each.cost == 0 for each in points):
            assert 0 in axes.get_xticks()
