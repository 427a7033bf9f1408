"""The house style of every figure. Drawing takes tables of numbers, and computes none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache, wraps
from typing import Any, ParamSpec

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from looking_glass.report.prose.phrases import visible

P = ParamSpec("P")
STYLE: Any = {
    "font.family": "DejaVu Sans",  # it comes with Matplotlib: the same on every machine
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def printable(text: str) -> str:
    """Return `text` as a label: visible, with no dollar sign that would start a formula.

    What Matplotlib's own font cannot draw, an emoji say, shows as □.
    """
    known = _drawable()
    shown = "".join(c if ord(c) in known else "□" for c in visible(text))
    return shown.replace("$", r"\$")


@cache
def _drawable() -> frozenset[int]:
    """Return the characters of the font that is used when nothing else is asked for."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def mark_missing(axes: Axes, values: Iterable[float]) -> None:
    """Say at each bar without a number, from the top, that nothing can stand in for its word."""
    for place, value in enumerate(values):
        if math.isnan(value):
            axes.annotate("no stand-in", (0, place), va="center", fontsize=7.5)


def in_house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a drawing function draw in the house style, and leave Matplotlib's settings alone."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


def figure_of(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of that size in inches and its one pair of axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def head(figure: Figure, title: str) -> None:
    """Give a figure of several panels its title, at the left."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
