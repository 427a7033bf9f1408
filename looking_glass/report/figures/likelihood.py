"""Figures of log-probabilities: tables of numbers → Matplotlib figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from looking_glass.report.figures.style import figure_of, in_house_style, printable
from looking_glass.report.params import Colors
from looking_glass.report.prose.likelihood import called

WORDS_A_ROW = 20  # beside each other at most, so that they can be read
LINES = ("-", "--", ":", "-.")


@in_house_style
def word_surprisal(words: pd.DataFrame, colors: Colors) -> Figure:
    """Draw the surprisal of each of a sentence's words as bars, corrected; plain as a mark."""
    n_rows = -(-len(words) // WORDS_A_ROW)
    per_row = -(-len(words) // n_rows)
    figure = Figure(figsize=(8, 0.9 + 2.2 * n_rows))
    rows = figure.subplots(n_rows, sharey=True, squeeze=False)[:, 0]
    for index, axes in enumerate(rows):
        part = words.iloc[index * per_row : (index + 1) * per_row]
        x = np.arange(len(part))
        axes.bar(x, part["corrected"], color=colors.primary, label="of the word")
        axes.plot(
            x, part["surprisal"], "_", color=colors.secondary, markersize=14, label="of its tokens"
        )
        axes.set_xticks(x, [printable(text) for text in part["text"]], rotation=40, ha="right")
        axes.set_xlim(-0.6, per_row - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("surprisal (nats)")
    rows[0].set_title("How surprising each word is to the model")
    rows[0].legend(loc="best", ncols=2)
    return figure


@in_house_style
def cumulative(tokens: pd.DataFrame, ranked: pd.DataFrame, colors: Colors) -> Figure:
    """Draw each sentence's log-probability as its tokens come, the compared ones together."""
    figure, axes = figure_of(7.5, 4.4)
    palette = (colors.primary, colors.secondary, colors.muted, "#1c1c1c")
    for index, name in enumerate(ranked["sentence"]):
        line = tokens.loc[tokens["sentence"] == name, "cumulative"].to_numpy()
        axes.plot(
            np.arange(len(line) + 1),
            np.concatenate([[0.0], line]),
            # Colours first, then styles: so many sentences are told apart without either alone.
            color=palette[index % len(palette)],
            linestyle=LINES[(index + index // len(palette)) % len(LINES)],
            linewidth=2,
            label=f"{called(name)} ({line[-1]:.1f})",
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        title="Log-probability of each sentence as it goes on",
        xlabel="tokens",
        ylabel="log-probability so far (nats)",
    )
    axes.legend(title="sentence (in all)", loc="best")
    return figure


@in_house_style
def samples(table: pd.DataFrame, colors: Colors) -> Figure:
    """Draw how probable the sampled sentences are, in all and per token; the first one marked."""
    figure = Figure(figsize=(8, 3.6))
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, values, label in (
        (left, table["nats"], "log-probability (nats)"),
        (right, table["nats"] / table["tokens"], "log-probability per token (nats)"),
    ):
        axes.hist(values, bins=30, color=colors.primary)
        axes.axvline(values.iloc[0], color=colors.secondary, linewidth=2, label="the sentence")
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6))
    left.set(ylabel="sentences", title=f"{len(table):,} sampled sentences")
    left.legend(loc="upper left")
    return figure


@in_house_style
def reliability(table: pd.DataFrame, error: float, colors: Colors) -> Figure:
    """Draw how often the first choice was right by how probable it was, and for how many."""
    figure = Figure(figsize=(6.5, 5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color=colors.muted, linestyle="--", label="as often as it says")
    spread = np.array(
        [table["accuracy"] - table["low"], table["high"] - table["accuracy"]], dtype=float
    )
    upper.errorbar(
        table["confidence"],
        table["accuracy"],
        yerr=spread.clip(min=0),
        fmt="o",
        color=colors.primary,
        capsize=3,
        label="the model, with 95 % intervals",
    )
    centre, width = (table["from"] + table["to"]) / 2, table["to"] - table["from"]
    lower.bar(centre, table["tokens"], width=width * 0.9, color=colors.primary)
    upper.set(
        title=f"Is it right as often as it says? Expected calibration error {error:.3f}",
        ylabel="share of tokens it got right",
    )
    lower.set(xlabel="probability that it gave its first choice", ylabel="tokens")
    upper.legend(loc="upper left")
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
