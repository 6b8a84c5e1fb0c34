"""How figures look, and how they are written: PNG and SVG, the same bytes for the same entries.

Colours are Okabe and Ito's ("Color Universal Design", 2008), told apart by every kind of colour
vision; markers differ as well, so that figures survive a black and white print.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#222222"
FAINT = "#D9D9D9"
DPI = 110
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "rebench",
    "svg.fonttype": "path",
    # Names of systems are shown as they are, whatever dollar signs they hold.
    "text.parse_math": False,
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure of so many inches; draw on it and render it inside the context."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        figure = Figure(figsize=(width, height), layout=layout, dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure


def rendered(figure: Figure) -> dict[str, bytes]:
    """Return a figure's files by suffix: `png` and `svg`, without dates or versions."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def figure_files(folder: str, drawn: Mapping[str, Mapping[str, bytes]]) -> dict[str, bytes]:
    """Return figures (name -> suffix -> file) by the names that they have below `folder`."""
    return {
        f"{folder}/{name}.{suffix}": data
        for name, files in drawn.items()
        for suffix, data in files.items()
    }


def colour(place: int) -> str:
    """Return the colour of the n-th system, from 0."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Return the marker of the n-th system, from 0."""
    return MARKERS[place % len(MARKERS)]


def faint_grid(axes: Axes, axis: str) -> None:
    """Draw a faint grid behind the data, along `x`, `y` or `both`."""
    axes.grid(visible=True, axis=axis, color=FAINT, linewidth=0.8)  # type: ignore[arg-type,unused-ignore]
    axes.set_axisbelow(True)
