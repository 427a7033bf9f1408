"""Figures of attention draw any words, and show the numbers that they are given."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from looking_glass.report.figures import attention as attention_figures
from looking_glass.report.measures import MEASURES
from tests.helpers.report import COLORS, choice


def test_figures_draw_awkward_words() -> None:
    words = ["$5", "a_b^c", "", "%", "\n", "\\frac", "'", "–", "<b>", "é", "ten", "e"]
    table = choice({"f": 0.7}, {"f": 1.0}).words.assign(text=words)
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


def test_every_measure_has_its_panel_and_its_bars() -> None:
    table = choice({"f": 0.7}, {"f": 1.0}).words
    figure = attention_figures.attention_causes(table, "k", "last", COLORS)
    attention, *effects = figure.axes
    assert [axes.get_title(loc="left") for axes in effects] == [one.title for one in MEASURES]
    assert [axes.get_xlabel() for axes in effects] == [one.axis for one in MEASURES]
    for axes, column in zip(
        figure.axes, ("predicting_row", *(m.key for m in MEASURES)), strict=True
    ):
        widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
        assert widths == pytest.approx(table[column][:10].tolist())
    assert [label.get_text() for label in attention.get_yticklabels()] == [*"abcdefghij"]
