"""Figures of attention and of what it caused: tables of numbers → Matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from looking_glass.report.figures.style import (
    figure_of,
    head,
    in_house_style,
    mark_missing,
    printable,
)
from looking_glass.report.measures import MEASURES
from looking_glass.report.params import Colors

# The panels of the causes: column, title, label of the axis.
PANELS = (
    ("predicting_row", "attention", "share of the row"),
    *((measure.key, measure.title, measure.axis) for measure in MEASURES),
    ("exact", "exact worth, replaced", "worth to the choice (nats)"),
)
HEADS_A_ROW = 3
SCALE = PowerNorm(0.5, 0, 1)  # small shares are told apart too


def shades(colors: Colors) -> Colormap:
    """Return the scale of attention: from paper to the primary colour."""
    return LinearSegmentedColormap.from_list("house", ["#ffffff", colors.primary])


def diverging(colors: Colors) -> Colormap:
    """Return the scale of effects: muted against the choice, the secondary colour for it."""
    return LinearSegmentedColormap.from_list("effect", ["#6b6b6b", "#ffffff", colors.secondary])


@in_house_style
def attention_heat_map(
    matrix: npt.NDArray[np.float32], words: Sequence[str], block: str, colors: Colors
) -> Figure:
    """Draw attention from each word (row) to each word (column), (W, W), mean over heads."""
    figure, axes = figure_of(7.5, 6.2)
    later = np.triu(np.ones_like(matrix, dtype=bool), 1)
    image = axes.imshow(np.ma.masked_array(matrix, later), cmap=shades(colors), norm=SCALE)
    for i, j in zip(*np.tril_indices(len(matrix)), strict=True):
        value = matrix[i, j]
        axes.annotate(
            f"{value:.2f}".removeprefix("0"),
            (j, i),
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if value > 0.4 else "#333333",
        )
    labels = [f"{index + 1} {printable(word)}" for index, word in enumerate(words)]
    axes.set_xticks(range(len(words)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(words)), labels)
    axes.grid(visible=False)
    axes.set(
        title=f"Attention of the {block} block: each row sums to 1",
        xlabel="word attended to",
        ylabel="word attending",
    )
    figure.colorbar(image, label="share of attention, mean over heads", shrink=0.8)
    return figure


@in_house_style
def head_maps(
    maps: npt.NDArray[np.float32], words: Sequence[str], block: str, colors: Colors
) -> Figure:
    """Draw attention between words for each head alone: (nh, W, W)."""
    n_rows = -(-len(maps) // HEADS_A_ROW)
    n_columns = min(len(maps), HEADS_A_ROW)
    figure = Figure(figsize=(0.8 + 2.7 * n_columns, 1.4 + 2.3 * n_rows))
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    later = np.triu(np.ones(maps.shape[1:], dtype=bool), 1)
    labels = [printable(word) for word in words]
    for index, axes in enumerate(grid.flat):
        if index >= len(maps):
            axes.set_visible(False)
            continue
        masked = np.ma.masked_array(maps[index], later)
        image = axes.imshow(masked, cmap=shades(colors), norm=SCALE)
        axes.set_title(f"head {index + 1}", fontsize=10)
        axes.set_xticks(range(len(words)), labels, rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(words)), labels, fontsize=8)
        # A panel with nothing below it carries the words itself.
        axes.tick_params(labelbottom=index + n_columns >= len(maps))
        axes.grid(visible=False)
    figure.colorbar(image, ax=grid, label="share of attention", shrink=0.6)
    head(figure, f"Each head of the {block} block: rows attend to columns")
    return figure


@in_house_style
def attention_causes(table: pd.DataFrame, eleventh: str, block: str, colors: Colors) -> Figure:
    """Draw the predicting row by word beside what each word caused, by every measure.

    `table` has a column for each, and the words' exact worth beside them.
    """
    seen = table.dropna(subset="knock_out")
    figure = Figure(figsize=(9.4, 6.4))
    grid = figure.subplots(2, 4, sharey=True)
    y = np.arange(len(seen))
    for axes, (column, title, label) in zip(grid.flat, PANELS, strict=True):
        color = colors.primary if column == "predicting_row" else colors.secondary
        axes.barh(y, seen[column], color=color)
        mark_missing(axes, seen[column])
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(label, fontsize=9)
    grid[0, 0].plot(
        seen["without_first"],
        y,
        linestyle="",
        marker="|",
        markersize=11,
        color="#333333",
    )
    for axes in grid[:, 0]:
        axes.set_yticks(y, [printable(word) for word in seen["text"]])
    grid[0, 0].invert_yaxis()
    head(figure, f"Choosing the 11th word, “{printable(eleventh)}”: the {block} block")
    return figure


@in_house_style
def block_strip(table: pd.DataFrame, eleventh: str, colors: Colors) -> Figure:
    """Draw, for every block by source word, attention when choosing, and what removal costs."""
    n_blocks = int(table["block"].max())
    words = [printable(word) for word in table.loc[table["block"] == 1, "text"]]
    figure = Figure(figsize=(8, 2.2 + 0.62 * n_blocks))
    upper, lower = figure.subplots(2, 1, sharex=True)
    attention = table["predicting_row"].to_numpy().reshape(n_blocks, -1)
    effect = table["knock_out"].to_numpy().reshape(n_blocks, -1)
    most = max(float(np.abs(effect).max()), 1e-9)
    for axes, values, cmap, norm, title, label in (
        (upper, attention, shades(colors), SCALE, "attention, mean over heads", "share"),
        (
            lower,
            effect,
            diverging(colors),
            TwoSlopeNorm(0, -most, most),
            "what removing it from that block's attention costs the choice",
            "nats",
        ),
    ):
        image = axes.imshow(values, cmap=cmap, norm=norm, aspect="auto")
        axes.set_title(title, fontsize=10)
        axes.set_yticks(range(n_blocks), [f"block {index + 1}" for index in range(n_blocks)])
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, label=label)
    lower.set_xticks(range(len(words)), words, rotation=40, ha="right")
    head(figure, f"Choosing “{printable(eleventh)}”: every block by source word")
    return figure


@in_house_style
def first_against_last(
    first: pd.DataFrame, last: pd.DataFrame, eleventh: str, colors: Colors
) -> Figure:
    """Draw both blocks' predicting rows side by side, and what removal from each costs."""
    figure = Figure(figsize=(8, 4.2))
    left, right = figure.subplots(1, 2, sharey=True)
    words = [printable(word) for word in first.dropna(subset="knock_out")["text"]]
    y = np.arange(len(words))
    for table, shift, color, label in (
        (first, -0.2, colors.muted, "first block"),
        (last, 0.2, colors.primary, "last block"),
    ):
        seen = table.dropna(subset="knock_out")
        _pair(left, y + shift, seen["predicting_row"], color, label)
        _pair(right, y + shift, seen["knock_out"], color, label)
    left.set_yticks(y, words)
    left.invert_yaxis()
    right.axvline(0, color="#333333", linewidth=0.8)
    left.set(title="attention", xlabel="share of the row, mean over heads")
    right.set(title="effect of removing it from the block", xlabel="log-probability lost (nats)")
    left.legend(loc="best")
    head(figure, f"Choosing “{printable(eleventh)}”: the first block against the last")
    return figure


def _pair(
    axes: Axes, y: npt.NDArray[np.floating[Any]], values: pd.Series, color: str, label: str
) -> None:
    axes.barh(y, values, height=0.38, color=color, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
