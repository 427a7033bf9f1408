"""Tables of numbers → Matplotlib figures. Nothing is computed here, nothing read or written."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from pydantic import BaseModel, ConfigDict, Field

P = ParamSpec("P")
HEX = r"^#[0-9a-fA-F]{6}$"
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


class Colors(BaseModel):
    """What each thing is drawn in, the same on every figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    primary: str = Field(pattern=HEX)
    secondary: str = Field(pattern=HEX)
    muted: str = Field(pattern=HEX)


def visible(text: str) -> str:
    """Return `text` with its white space made visible: line breaks as ↵, leading spaces as ␣."""
    shown = text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥")
    spaces = len(shown) - len(shown.lstrip(" "))
    return "␣" * spaces + shown[spaces:]


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


@in_house_style
def frequencies(table: pd.DataFrame, colors: Colors) -> Figure:
    """Draw how often the token of each rank occurs, both on log scales, a few of them named."""
    figure, axes = figure_of(7, 4)
    axes.loglog(table["rank"], table["count"], color=colors.primary, linewidth=2)
    for rank in (1, 3, 10, 30, 100, 300, 1000):
        if rank <= len(table):
            row = table.iloc[rank - 1]
            axes.plot(row["rank"], row["count"], "o", color=colors.secondary, markersize=4)
            axes.annotate(
                printable(row["text"]),
                (row["rank"], row["count"]),
                xytext=(5, 5),
                textcoords="offset points",
            )
    axes.set(
        title="How often each token occurs",
        xlabel="rank of the token, most frequent first",
        ylabel="occurrences in the training text",
    )
    return figure


@in_house_style
def loss_curve(
    history: pd.DataFrame, baselines: dict[str, float], kept_step: int, colors: Colors
) -> Figure:
    """Draw training and validation loss over steps, and the n-grams' losses as level lines."""
    figure, axes = figure_of(7, 4.4)
    steps = history["step"]
    axes.plot(steps, history["train_loss"], color=colors.secondary, label="training (dropout on)")
    axes.plot(steps, history["val_loss"], color=colors.primary, linewidth=2, label="validation")
    kept = history.loc[history["step"] == kept_step]
    axes.plot(kept["step"], kept["val_loss"], "o", color=colors.primary, label="weights kept")
    lowest = min(baselines.values())
    for name, loss in baselines.items():
        below = loss == lowest  # the last two lie close together: one label goes under its line
        axes.axhline(loss, color=colors.muted, linestyle="--", linewidth=1)
        axes.annotate(
            f"{name} {loss:.2f}",
            (1, loss),
            xycoords=("axes fraction", "data"),
            xytext=(-2, -3 if below else 2),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color="#5a5a5a",
            fontsize=9,
        )
    axes.margins(y=0.08)
    axes.set(title="Loss over training", xlabel="training step", ylabel="loss (nats per token)")
    axes.legend(loc="center", bbox_to_anchor=(0.62, 0.7))  # between the lines of the n-grams
    return figure


@in_house_style
def underflow(table: pd.DataFrame, colors: Colors) -> Figure:
    """Draw the sum of log-probabilities beside the logarithm of the float32 product, by token."""
    figure, axes = figure_of(7, 3.8)
    x = table["tokens"].to_numpy()
    product = table["float32_product"].to_numpy()
    positive = product > 0
    axes.plot(
        x[positive],
        np.log10(product[positive]),
        "o",
        color=colors.secondary,
        label="product of probabilities in float32",
    )
    axes.plot(x, table["cumulative"] / np.log(10), color=colors.primary, label="sum of logarithms")
    if not positive.all():
        first = int(x[~positive][0])
        axes.axvline(first, color=colors.muted, linestyle="--")
        axes.annotate(
            "the product is 0\nfrom here on",
            (first, 0.95),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            va="top",
        )
    axes.set(
        title="Why probabilities are added as logarithms",
        xlabel="tokens multiplied",
        ylabel="log₁₀ of the probability",
    )
    axes.legend(loc="lower left")
    return figure
