"""Figures of the data and of training: tables of numbers → Matplotlib figures."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

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
