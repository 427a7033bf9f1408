"""Figures of log-probabilities draw any sentence."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from looking_glass.report.figures import likelihood as figures
from tests.helpers.report import COLORS

TEXTS = ["a", "cat", "$5", "<b>", "x_1", "🐿️", "ten", "eleven"]
WORDS = pd.DataFrame(
    {
        "text": TEXTS,
        "surprisal": np.arange(8.0),
        "corrected": np.arange(8.0) + 0.5,
    }
)
PRODUCT = pd.DataFrame(
    {
        "tokens": [1, 2, 3],
        "cumulative": [-60.0, -90.0, -120.0],
        "float32_product": [8.76e-27, 8.19e-40, 0.0],
    }
)


def test_figures_draw_any_sentence() -> None:
    tokens = pd.DataFrame(
        {
            "sentence": ["sampled"] * 3 + [f"yours {n}" for n in range(9)],
            "cumulative": [-1.0, -2.0, -4.0, *(-1.0 * n for n in range(9))],
        }
    )
    ranked = tokens.drop_duplicates("sentence")
    bins = pd.DataFrame(
        {"from": [0.0], "to": [0.1], "tokens": [5], "confidence": [0.05], "accuracy": [0.0]}
    ).assign(low=0.0, high=0.4)
    sampled = pd.DataFrame({"nats": [-1.0, -5.0, -9.0], "tokens": [1, 2, 4]})
    for figure in (
        figures.word_surprisal(WORDS, COLORS),
        figures.word_surprisal(pd.concat([WORDS] * 4), COLORS),
        figures.cumulative(tokens, ranked, COLORS),
        figures.samples(sampled, COLORS),
        figures.reliability(bins, 0.05, COLORS),
        figures.underflow(PRODUCT, COLORS),
    ):
        figure.savefig(io.BytesIO(), format="png")
        assert figure.axes[0].get_title(loc="left")


def test_so_many_sentences_are_told_apart_by_colour_and_line() -> None:
    names = [f"yours {n}" for n in range(12)]
    tokens = pd.DataFrame({"sentence": names, "cumulative": -1.0})
    figure = figures.cumulative(tokens, tokens, COLORS)
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 12


def test_where_the_product_is_zero_is_marked() -> None:
    axes = figures.underflow(PRODUCT, COLORS).axes[0]
    product, total, zero = axes.get_lines()
    assert product.get_ydata() == pytest.approx([np.log10(8.76e-27), np.log10(8.19e-40)])
    assert total.get_ydata() == pytest.approx(np.array([-60, -90, -120]) / np.log(10))
    assert list(zero.get_xdata()) == [3, 3]  # type: ignore[arg-type]
    unmarked = figures.underflow(PRODUCT[:2], COLORS).axes[0]
    assert len(unmarked.get_lines()) == 2
