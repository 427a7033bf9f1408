"""Figures of the data and of training: tables of numbers → Matplotlib figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from looking_glass.pipeline.statistics import CONFIDENCE
from looking_glass.report.figures.style import figure_of, in_house_style, printable
from looking_glass.report.params import Colors


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
    """Draw the losses over steps, and those of the n-grams as level lines."""
    figure, axes = figure_of(7, 4.4)
    steps = history["step"]
    axes.plot(steps, history["batch_loss"], color=colors.secondary, alpha=0.4, label="batches")
    axes.plot(steps, history["train_loss"], color=colors.secondary, linewidth=2, label="training")
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
    # On paper of its own: the lines of the n-grams cross whatever place it has.
    axes.legend(loc="best", frameon=True, facecolor="white", edgecolor="none", framealpha=1)
    return figure


@in_house_style
def context_curve(table: pd.DataFrame, colors: Colors) -> Figure:
    """Draw the loss of the token after contexts of each length, and the trigram's beside it."""
    figure, axes = figure_of(7, 4)
    axes.set_xscale("log", base=2)
    axes.errorbar(
        table["length"],
        table["loss"],
        yerr=CONFIDENCE * table["change_error"],
        fmt="o-",
        color=colors.primary,
        linewidth=2,
        capsize=3,
        label="the model, with the 95 % interval of each change",
    )
    axes.axhline(
        table["trigram"].iloc[0], color=colors.muted, linestyle="--", label="trigram (2 tokens)"
    )
    axes.set_xticks(table["length"], [str(length) for length in table["length"]])
    axes.minorticks_off()
    axes.set(
        title="What more context is worth",
        xlabel="tokens of context",
        ylabel="loss of the next token (nats)",
    )
    axes.legend(loc="best")
    return figure


@in_house_style
def block_worth(table: pd.DataFrame, val_loss: float, colors: Colors) -> Figure:
    """Draw by how much the validation loss rises without each block's attention, and its MLP."""
    figure = Figure(figsize=(8, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    single, everything = table[table["block"] != "all"], table[table["block"] == "all"]
    parts = (("without_attention", -0.2, colors.primary), ("without_mlp", 0.2, colors.muted))
    for axes, rows in ((left, single), (right, everything)):
        x = np.arange(len(rows))
        for column, shift, color in parts:
            label = column.removeprefix("without_").replace("mlp", "MLP")
            axes.bar(x + shift, rows[column] - val_loss, width=0.38, color=color, label=label)
        axes.axhline(0, color="#333333", linewidth=0.8)
        axes.grid(visible=False, axis="x")
    left.set_xticks(range(len(single)), [f"block {name}" for name in single["block"]])
    right.set_xticks([0], ["all blocks"])
    left.set(ylabel="rise of the loss (nats per token)", title="What each block is worth")
    left.legend(title="left out", loc="best")
    return figure


@in_house_style
def head_habits(table: pd.DataFrame, colors: Colors) -> Figure:
    """Draw how far back each head looks most, and with what share of its attention."""
    shares = table.pivot_table(index="block", columns="head", values="share", sort=True)
    back = table.pivot_table(index="block", columns="head", values="distance", sort=True)
    distances = back.to_numpy(dtype=float)
    figure, axes = figure_of(1.8 + 0.8 * shares.shape[1], 1.4 + 0.5 * shares.shape[0])
    shades = LinearSegmentedColormap.from_list("house", ["#ffffff", colors.primary])
    image = axes.imshow(shares.to_numpy(), cmap=shades, vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares.to_numpy()):
        axes.annotate(
            f"{distances[i, j]:.0f}: {share:.2f}".replace("0.", "."),
            (j, i),
            ha="center",
            va="center",
            fontsize=8.5,
            color="white" if share > 0.5 else "#333333",
        )
    axes.set_xticks(range(shares.shape[1]), [f"head {head}" for head in shares.columns])
    axes.set_yticks(range(shares.shape[0]), [f"block {block}" for block in shares.index])
    axes.grid(visible=False)
    axes.set_title("How many tokens back each head looks most: its share")
    figure.colorbar(image, label="share of the row")
    return figure
