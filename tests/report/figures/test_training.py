"""Figures of the data and of training show the numbers that they are given."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from looking_glass.report.figures.training import (
    block_worth,
    context_curve,
    frequencies,
    head_habits,
    loss_curve,
)
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
        {
            "step": [10, 20, 30],
            "train_loss": [5.0, 4.0, 3.0],
            "val_loss": [5.5, 4.5, 4.75],
            "batch_loss": [6.0, 5.5, 5.2],
        }
    )
    figure = loss_curve(history, {"unigram": 6.0, "trigram": 5.0}, 20, COLORS)
    figure.savefig(io.BytesIO(), format="png")
    (axes,) = figure.axes
    by_label = {str(line.get_label()): line for line in axes.get_lines()}
    (kept,) = np.asarray(by_label["weights kept"].get_xydata()).tolist()
    assert kept == [20, 4.5]
    assert list(by_label["validation"].get_ydata()) == [5.5, 4.5, 4.75]  # type: ignore[arg-type]
    assert [text.get_text() for text in axes.texts] == ["unigram 6.00", "trigram 5.00"]


def test_contexts_are_drawn_on_a_log_scale_beside_the_trigram() -> None:
    table = pd.DataFrame(
        {
            "length": [1, 2, 4],
            "loss": [5.0, 4.8, 4.7],
            "change_error": [0.0, 0.01, 0.01],
            "trigram": 4.9,
        }
    )
    figure = context_curve(table, COLORS)
    figure.savefig(io.BytesIO(), format="png")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    low, high = axes.get_xlim()
    assert 0.5 < low < 1
    assert 4 < high < 8, "all lengths are in sight, and not pressed to one side"


def test_blocks_are_worth_what_their_loss_rises_by() -> None:
    table = pd.DataFrame(
        {
            "block": ["1", "2", "all"],
            "without_attention": [5.0, 5.2, 6.0],
            "without_mlp": [4.9, 4.8, 7.0],
        }
    )
    figure = block_worth(table, 4.75, COLORS)
    figure.savefig(io.BytesIO(), format="png")
    left, right = figure.axes
    heights = [patch.get_height() for patch in left.patches]  # type: ignore[attr-defined]
    assert heights == pytest.approx([0.25, 0.45, 0.15, 0.05])
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["all blocks"]


def test_each_head_is_told_by_its_distance_and_share() -> None:
    table = pd.DataFrame(
        {"block": [1, 1, 2, 2], "head": [1, 2, 1, 2], "distance": [1, 0, 3, 12], "share": 0.25}
    )
    figure = head_habits(table, COLORS)
    figure.savefig(io.BytesIO(), format="png")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["1: .25", "0: .25", "3: .25", "12: .25"]
