"""Figures of what words were worth, exactly, and of how close explanations come to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from looking_glass.report.figures.style import (
    figure_of,
    head,
    in_house_style,
    mark_missing,
    printable,
)
from looking_glass.report.methods import EXACT, SHUFFLED, shown
from looking_glass.report.params import Colors


@in_house_style
def word_worth(table: pd.DataFrame, chosen: str, colors: Colors) -> Figure:
    """Draw what each word was worth to the choice, by either way in which it is not there."""
    figure = Figure(figsize=(8, 4.2))
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(table))
    for axes, way, title, color in (
        (left, "replaced", "replaced by another word", colors.primary),
        (right, "removed", "removed from all attention", colors.secondary),
    ):
        worth = table[f"{way}_worth"]
        axes.barh(y, worth, color=color)
        mark_missing(axes, worth)
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.set_title(f"{title}\nall words together: {table[f'{way}_total'].iloc[0]:+.2f} nats")
        axes.set_xlabel("exact worth (nats)")
        axes.xaxis.set_major_locator(MaxNLocator(4))  # numbers of five digits stay apart
    left.set_yticks(y, [printable(word) for word in table["text"]])
    left.invert_yaxis()
    head(
        figure,
        f"What each word was worth to “{printable(chosen)}”: Shapley values over all "
        f"{2 ** len(table):,} sets of words",
    )
    return figure


@in_house_style
def yardstick(table: pd.DataFrame, n: int, colors: Colors) -> Figure:
    """Draw how close each method comes to the exact worth, with chance and the ceiling marked."""
    rows = shown(table)
    known: Any = rows.set_index("method")
    exact, chance = known.loc[EXACT], known.loc[SHUFFLED]
    rows = rows[~rows["method"].isin([EXACT, SHUFFLED])]
    figure = Figure(figsize=(9.5, 1.9 + 0.31 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(rows))
    signed = rows["signed"].to_numpy() == 1
    _dots(left, rows, y - 0.14, "removed_size", colors.primary, "size of the worth")
    _dots(left, rows[signed], y[signed] + 0.14, "removed_sign", colors.secondary, "with its sign")
    left.plot(
        rows["redrawn_size"],
        y - 0.14,
        linestyle="",
        marker="o",
        fillstyle="none",
        color=colors.muted,
        label="size, from a model that learned nothing",
    )
    _chance(left, chance, "removed_size", colors)
    left.axvline(1.0, color="#333333", linestyle="--", linewidth=1)
    left.set_xlabel("rank correlation with the exact worth")
    _dots(right, rows, y, "removed_comprehensiveness", colors.primary, "")
    _chance(right, chance, "removed_comprehensiveness", colors)
    right.axvline(
        exact["removed_comprehensiveness"],
        color="#333333",
        linestyle="--",
        linewidth=1,
        label="the exact worth's own order",
    )
    right.set_xlabel("words taken away in its order:\n0 the worst order, 1 the best")
    right.set_xlim(min(0.0, right.get_xlim()[0]), 1.02)
    left.set_yticks(y, rows["label"], fontsize=8.5)
    left.invert_yaxis()
    handles = {
        text: handle
        for axes in (left, right)
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=2, fontsize=8.5
    )
    head(figure, f"How close explanations come to the exact answer, over {n:,} contexts")
    return figure


def _dots(
    axes: Axes, rows: pd.DataFrame, y: np.ndarray[Any, Any], name: str, color: str, label: str
) -> None:
    """Draw a number of each method with its 95 % interval."""
    middle = rows[name].to_numpy(dtype=float)
    low, high = (rows[f"{name}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    axes.errorbar(
        middle,
        y,
        xerr=np.stack([middle - low, high - middle]),
        linestyle="",
        marker="o",
        markersize=4,
        color=color,
        label=label or None,
    )


def _chance(axes: Axes, chance: Any, name: str, colors: Colors) -> None:
    """Draw the 95 % interval of a random order's number as a band."""
    axes.axvspan(
        chance[f"{name}_low"],
        chance[f"{name}_high"],
        color=colors.muted,
        alpha=0.3,
        label="chance: words in a random order",
    )


@in_house_style
def sink(table: pd.DataFrame, colors: Colors) -> Figure:
    """Draw by block what the choosing row leaves on the first token, beside even attention."""
    figure, axes = figure_of(7, 4.0)
    x = np.arange(len(table))
    share = table["share"].to_numpy(dtype=float)
    error = np.stack([share - table["share_low"], table["share_high"] - share])
    axes.bar(x - 0.2, share, 0.38, yerr=error, color=colors.primary, label="on the first token")
    axes.bar(
        x + 0.2,
        table["break_share"],
        0.38,
        color=colors.secondary,
        label="on a paragraph break put before it",
    )
    axes.axhline(
        table["even"].iloc[0],
        color="#333333",
        linestyle="--",
        linewidth=1,
        label="its share of even attention",
    )
    axes.plot(
        x + 0.2,
        table["break_even"],
        linestyle="",
        marker="_",
        markersize=26,
        color="#333333",
        label="the break's share of even attention",
    )
    axes.set_xticks(x, [f"block {block}" for block in table["block"]])
    axes.set(title="Is the first token a sink?", ylabel="share of the choosing row")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
