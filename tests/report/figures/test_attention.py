"""Figures of attention draw any words, and show the numbers that they are given."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from looking_glass.report.figures import attention as attention_figures
from looking_glass.report.measures import MEASURES
from tests.helpers.report import COLORS, choice


def test_figures_draw_awkward_words() -> None:
    words = ["$5", "a_b^c", "", "%", "\n", "\\frac", "'", "–", "<b>", "é", "ten", "e"]
    table = choice({"f": 0.7}, {"f": 1.0}).words.assign(text=words, exact=0.5)
    eye = np.eye(12, dtype=np.float32)
    blocks = [table.iloc[:10].assign(block=block) for block in (1, 2)]
    drawn = [
        attention_figures.attention_heat_map(eye, words, "last", COLORS),
        attention_figures.attention_causes(table, "$5", "last", COLORS),
        attention_figures.first_against_last(table, table, "$5", COLORS),
        attention_figures.block_strip(pd.concat(blocks), "$5", COLORS),
        # One head, and more than fill their rows.
        attention_figures.head_maps(eye[None], words, "last", COLORS),
        attention_figures.head_maps(np.stack([eye] * 5), words, "last", COLORS),
    ]
    for figure in drawn:
        figure.savefig(io.BytesIO(), format="png")
        assert figure.axes[0].get_title(loc="left")


def planted() -> pd.DataFrame:
    """Words whose every number is its own, the third one without a token to stand in for it."""
    table = choice({"f": 0.7}, {}).words
    for index, measure in enumerate((*(one.key for one in MEASURES), "exact"), start=1):
        table[measure] = [index + 0.01 * place for place in range(10)] + [np.nan] * 2
    table.loc[2, ["replacement", "exact"]] = np.nan
    return table


def test_every_measure_has_its_panel_and_its_bars() -> None:
    table = planted()
    figure = attention_figures.attention_causes(table, "k", "last", COLORS)
    attention, *effects, exact = figure.axes
    assert len(figure.axes) == 8
    assert [axes.get_title(loc="left") for axes in effects] == [one.title for one in MEASURES]
    assert [axes.get_xlabel() for axes in effects] == [one.axis for one in MEASURES]
    assert exact.get_xlabel() == "worth to the choice (nats)"
    for axes, column in zip(
        figure.axes, ("predicting_row", *(m.key for m in MEASURES), "exact"), strict=True
    ):
        widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
        assert widths == pytest.approx(table[column][:10].tolist(), nan_ok=True), column
    assert [label.get_text() for label in attention.get_yticklabels()] == [*"abcdefghij"]


def test_the_row_is_marked_as_it_is_without_its_first_token() -> None:
    table = planted()
    figure = attention_figures.attention_causes(table, "k", "last", COLORS)
    marks = figure.axes[0].get_lines()[-1]
    shares = np.asarray(marks.get_xdata(), dtype=float)
    assert shares.tolist() == pytest.approx(table["without_first"][:10].tolist(), nan_ok=True)
    assert marks.get_ydata() == pytest.approx(range(10))


def test_a_word_that_nothing_can_stand_in_for_has_no_bar_and_says_why() -> None:
    axes = attention_figures.attention_causes(planted(), "k", "last", COLORS).axes
    told = {
        one.get_title(loc="left"): [n.xy for n in one.texts if isinstance(n, Annotation)]
        for one in axes
    }
    silent = {title for title, places in told.items() if not places}
    assert told["token replaced"] == told["exact worth, replaced"] == [(0, 2)]
    assert len(silent) == 6
