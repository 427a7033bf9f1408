"""The inversion's tables → Matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from looking_glass.report.figures.style import figure_of, in_house_style, printable
from looking_glass.report.params import Colors
from looking_glass.report.readings import PARALLEL, Readings


@in_house_style
def inversion_loss(
    table: pd.DataFrame, readings: Readings, lowest: float, colors: Colors
) -> Figure:
    """Draw each reading's loss over steps and the `lowest` proved one; prefixes are shaded."""
    figure, axes = figure_of(7, 4.2)
    prefixes = [name for name in readings.prefixes if name in table]
    for name in [PARALLEL, *prefixes]:
        if name == PARALLEL:
            style: dict[str, Any] = {"color": colors.primary, "linewidth": 2}
        else:
            place = (prefixes.index(name) + 1) / len(prefixes)
            style = {"color": colors.secondary, "alpha": 0.35 + 0.65 * place}
        reached = table[["step", name]].dropna()
        axes.plot(reached["step"], reached[name], label=readings.label(name), **style)
    axes.axhline(lowest, color=colors.muted, linestyle="--", label="proved bound")
    axes.set(
        title="Learning input vectors that make the frozen model say the sentence",
        xlabel="optimisation step",
        ylabel="loss (nats per token, mean of restarts)",
    )
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@in_house_style
def inversion_tokens(table: pd.DataFrame, readings: Readings, colors: Colors) -> Figure:
    """Draw each target token's probability, unaided and in each reading, on a log scale."""
    figure, axes = figure_of(7.5, 4.4)
    x = np.arange(len(table))
    axes.scatter(x, table["ceiling"], s=260, marker="_", color="#333333", label="ceiling")
    axes.plot(x, table["unaided"], "x", color=colors.muted, label="unaided", markersize=7)
    prefixes = [name for name in readings.prefixes if name in table]
    for name in [PARALLEL, *prefixes]:
        if name == PARALLEL:
            axes.plot(x, table[name], "o", color=colors.primary, label=name, markersize=8)
        else:
            place = (prefixes.index(name) + 1) / len(prefixes)
            axes.plot(
                x,
                table[name],
                "^",
                color=colors.secondary,
                alpha=0.35 + 0.65 * place,
                label=readings.label(name),
            )
    axes.set_yscale("log")
    axes.set_xticks(x, [printable(text) for text in table["text"]], rotation=30, ha="right")
    axes.set(
        title="How probable each token of the sentence could be made (best restart)",
        ylabel="probability of the token",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@in_house_style
def inversion_steps(table: pd.DataFrame, ceilings: Sequence[float], colors: Colors) -> Figure:
    """Draw each target token's log-probability over steps, one panel a token, and its ceiling."""
    positions = sorted(table["position"].unique())
    n_columns = min(5, len(positions))
    n_rows = -(-len(positions) // n_columns)
    figure = Figure(figsize=(1.7 * n_columns + 0.6, 1.7 * n_rows + 0.6))
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(positions) :]:
        axes.set_axis_off()
    for position, axes in zip(positions, panels.flat, strict=False):
        rows = table[table["position"] == position]
        axes.axhline(ceilings[position], color=colors.muted, linestyle="--", linewidth=1)
        axes.plot(rows["step"], rows["log_prob"], color=colors.primary, linewidth=2)
        axes.set_title(printable(str(rows["text"].iloc[0])))
    figure.supxlabel("optimisation step", fontsize=10)
    figure.supylabel("log-probability (nats)", fontsize=10)
    return figure


@in_house_style
def success_grid(frontier: pd.DataFrame, readings: Readings, colors: Colors) -> Figure:
    """Draw the share of exact restarts and the mean loss of each sentence in each reading."""
    columns, names = readings.names, frontier["sentence"].unique()
    figure, axes = figure_of(1.9 + 1.15 * len(columns), 0.9 + 0.75 * len(names))
    shades = LinearSegmentedColormap.from_list("house", ["#ffffff", colors.primary])
    cells = frontier.set_index(["sentence", "reading"])
    rates = cells["exact_rate"].unstack().reindex(index=names, columns=columns)
    axes.imshow(rates.to_numpy(dtype=float), cmap=shades, vmin=0, vmax=1, aspect="auto")
    for i, name in enumerate(names):
        for j, reading in enumerate(columns):
            if (name, reading) not in cells.index:
                axes.annotate("does not fit", (j, i), ha="center", va="center", fontsize=8)
                continue
            rate, loss = (float(cells.loc[(name, reading), key]) for key in ("exact_rate", "loss"))
            axes.annotate(
                f"{rate:.0%}\n{loss:.2f}",
                (j, i),
                ha="center",
                va="center",
                color="white" if rate > 0.5 else "#333333",
            )
    texts = [str(cells.loc[name, "text"].iloc[0]) for name in names]
    short = [text if len(text) <= 24 else text[:23].rstrip() + "…" for text in texts]
    axes.set_yticks(range(len(names)), [printable(text) for text in short])
    labels = [readings.label(name).replace(" of ", " of\n") for name in columns]
    axes.set_xticks(range(len(columns)), labels)
    axes.grid(visible=False)
    axes.set(title="Exact restarts, and mean loss in nats per token")
    return figure


@in_house_style
def embedding_map(table: pd.DataFrame, readings: Readings, colors: Colors) -> Figure:
    """Draw learned vectors among the embeddings, on the plane where the embeddings spread most."""
    figure, axes = figure_of(7, 5.4)
    cloud, target = table[table["kind"] == "embedding"], table[table["kind"] == "target"]
    learned = table[table["kind"] == PARALLEL]
    axes.scatter(
        cloud["x"],
        cloud["y"],
        s=5,
        color=colors.muted,
        alpha=0.4,
        label="embeddings",
        rasterized=True,  # thousands of dots: as lines, more than all the other figures
    )
    axes.scatter(target["x"], target["y"], s=22, color="#333333", label="the sentence's tokens")
    axes.scatter(learned["x"], learned["y"], s=30, color=colors.primary, label=PARALLEL)
    for _, row in learned.iterrows():
        axes.annotate(
            printable(str(row["text"])),
            (row["x"], row["y"]),
            xytext=(5, 3),
            textcoords="offset points",
        )
    prefixes = [name for name in readings.prefixes if (table["kind"] == name).any()]
    for place, kind in enumerate(prefixes, start=1):
        rows = table[table["kind"] == kind]
        axes.scatter(
            rows["x"],
            rows["y"],
            s=22,
            marker="^",
            color=colors.secondary,
            alpha=0.35 + 0.65 * place / len(prefixes),
            label=readings.label(kind),
        )
    axes.set(
        title="Learned vectors among the token embeddings",
        xlabel="first principal component of the embeddings",
        ylabel="second principal component",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
