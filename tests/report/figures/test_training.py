"""Figures of the data and of training show the numbers that they are given."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from looking_glass.report.figures.training import frequencies, loss_curve
from tests.helpers.report import COLORS


def test_ranks_are_drawn_and_some_tokens_named() -> None:
    table = pd.DataFrame({"rank": range(1, 13), "count": range(12, 0, -1), "text": [" $5"] * 12})
    figure = frequencies(table, COLORS)
    figure.savefig(io.BytesIO(), format="png")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in axes.texts] == [r"␣\$5"] * 3, "of ranks 1, 3 and 10"


def test_the_kept_step_and_every_baseline_are_marked() -> None:
    history = pd.DataFrame(
        {"step": [10, 20, 30], "train_loss": [5.0, 4.0, 3.0], "val_loss": [5.5, 4.5, 4.75]}
    )
    figure = loss_curve(history, {"unigram": 6.0, "trigram": 5.0}, 20, COLORS)
    figure.savefig(io.BytesIO(), format="png")
    (axes,) = figure.axes
    by_label = {str(line.get_label()): line for line in axes.get_lines()}
    (kept,) = np.asarray(by_label["weights kept"].get_xydata()).tolist()
    assert kept == [20, 4.5]
    assert list(by_label["validation"].get_ydata()) == [5.5, 4.5, 4.75]  # type: ignore[arg-type]
    assert [text.get_text() for text in axes.texts] == ["unigram 6.00", "trigram 5.00"]
