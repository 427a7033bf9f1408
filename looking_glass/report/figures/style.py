"""The house style of every figure. Drawing takes tables of numbers, and computes none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from looking_glass.report.figures.fonts import drawable, families_for, texts_in
from looking_glass.report.prose.phrases import visible

P = ParamSpec("P")
STYLE: Any = {
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
    "image.interpolation": "none",  # a cell stays a cell, however large it is shown
}


def printable(text: str) -> str:
    """Return `text` as a label: visible, with no dollar sign that would start a formula.

    What no font of the figure can draw, an emoji say, shows as □.
    """
    return drawable(visible(text)).replace("$", r"\$")


def mark_missing(axes: Axes, values: Iterable[float]) -> None:
    """Say at each bar without a number, from the top, that nothing can stand in for its word."""
    for place, value in enumerate(values):
        if math.isnan(value):
            axes.annotate("no stand-in", (0, place), va="center", fontsize=7.5)


def in_house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a drawing function draw in the house style, and leave Matplotlib's settings alone.

    The fonts are those that the texts it is given need.
    """

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        families = families_for(texts_in([*args, *kwargs.values()]))
        with rc_context({**STYLE, "font.family": families}):
            return draw(*args, **kwargs)

    return styled


def figure_of(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of that size in inches and its one pair of axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def head(figure: Figure, title: str) -> None:
    """Give a figure of several panels its title, at the left."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
