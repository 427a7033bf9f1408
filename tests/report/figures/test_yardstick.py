"""Figures of exact worth, methods and sinks show the numbers that they are given."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from looking_glass.report.figures import yardstick as figures
from looking_glass.report.methods import EXACT, SHUFFLED, shown
from tests.helpers.report import COLORS, method_rows, sinks, worth

AWKWARD = ["$5", "a_b^c", "", "\n", "\\frac", "<b>", "🐿️", "ten"]


def bars(axes: Axes) -> list[Any]:
    return [*axes.containers[0]]


def labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def dots(axes: Axes, color: str) -> Any:
    """Return the markers of one colour of a chart of dots: x and y of each."""
    (line,) = (one for one in axes.get_lines() if one.get_color() == color)
    return line


def test_figures_draw_awkward_words() -> None:
    gone = float("nan")
    for figure in (
        figures.word_worth(worth(AWKWARD, [gone, *range(7)]), "$5", COLORS),
        figures.word_worth(worth(["a", "b"], [gone, gone], [0, 0]), "\n", COLORS),
        figures.yardstick(method_rows(n_layer=1), 2, COLORS),
        figures.yardstick(method_rows(rollout_all=(gone, gone)), 2, COLORS),
        figures.sink(sinks((0.2, 0.1, 0.3)), COLORS),
        figures.sink(sinks((0.2, 0.1, 0.3), behind=False), COLORS),
    ):
        figure.savefig(io.BytesIO(), format="png")


def test_each_word_has_its_worth_by_either_way_and_a_word_without_one_says_so() -> None:
    table = worth(["a", "b", "c"], [1.0, float("nan"), -0.5], [0.25, 0.5, 3.0])
    figure = figures.word_worth(table, " d", COLORS)
    left, right = figure.axes
    widths = [bar.get_width() for bar in bars(left)]
    assert widths == pytest.approx([1.0, np.nan, -0.5], nan_ok=True)
    assert [bar.get_width() for bar in bars(right)] == pytest.approx([0.25, 0.5, 3.0])
    assert labels(left) == ["a", "b", "c"]
    assert "all words together: +0.50 nats" in left.get_title(loc="left")
    assert "all words together: +3.75 nats" in right.get_title(loc="left")
    notes = [one for one in left.texts if isinstance(one, Annotation)]
    assert [(note.get_text(), note.xy) for note in notes] == [("no stand-in", (0, 1))]
    assert not right.texts
    assert "over all 8 sets" in figure.get_suptitle()


def test_each_method_is_drawn_with_chance_and_the_ceiling_and_they_are_no_method() -> None:
    table = method_rows(rollout_all=-0.6, replacement_all=0.7)
    figure = figures.yardstick(table, 1200, COLORS)
    left, right = figure.axes
    rows = shown(table)
    rows = rows[~rows["method"].isin([EXACT, SHUFFLED])]
    assert labels(left) == rows["label"].tolist()
    assert "over 1,200 contexts" in figure.get_suptitle()
    size = dots(left, COLORS.primary)
    assert list(size.get_xdata()) == pytest.approx(rows["removed_size"].tolist())
    redrawn = dots(left, COLORS.muted)
    assert list(redrawn.get_xdata()) == pytest.approx(rows["redrawn_size"].tolist())
    order = dots(right, COLORS.primary)
    assert list(order.get_xdata()) == pytest.approx(rows["removed_comprehensiveness"].tolist())
    for axes, low in ((left, -0.05), (right, 0.45)):
        (band,) = axes.patches
        assert band.get_x() == pytest.approx(low)  # type: ignore[attr-defined]
        assert band.get_width() == pytest.approx(0.1)  # type: ignore[attr-defined]
    for axes, ceiling in ((left, 1.0), (right, 1.5)):
        (line,) = (one for one in axes.get_lines() if one.get_linestyle() == "--")
        assert line.get_xdata() == pytest.approx([ceiling] * 2)
    lowest = float((rows["redrawn_size"]).min())
    assert left.get_xlim()[0] < lowest, "nothing is drawn outside the axes"


def test_a_method_that_is_never_negative_has_no_number_with_a_sign() -> None:
    table = method_rows()
    left, _ = figures.yardstick(table, 9, COLORS).axes
    rows = shown(table)
    rows = rows[~rows["method"].isin([EXACT, SHUFFLED])].reset_index(drop=True)
    signed = rows[rows["signed"] == 1]
    sign = dots(left, COLORS.secondary)
    assert list(sign.get_xdata()) == pytest.approx(signed["removed_sign"].tolist())
    places = np.round(np.asarray(sign.get_ydata(), dtype=float))
    assert places.tolist() == signed.index.tolist()
    assert "attention" not in signed["method"].tolist()


def test_chance_is_in_the_legend_once() -> None:
    (legend,) = figures.yardstick(method_rows(), 9, COLORS).legends
    told = [text.get_text() for text in legend.get_texts()]
    assert len(told) == len(set(told)) == 5
    assert "chance: words in a random order" in told


def test_a_sink_is_drawn_beside_even_attention() -> None:
    figure = figures.sink(sinks((0.2, 0.15, 0.25), (0.05, 0.04, 0.08)), COLORS)
    (axes,) = figure.axes
    first, behind = (one for one in axes.containers if hasattr(one, "patches"))
    assert [bar.get_height() for bar in first] == pytest.approx([0.2, 0.05])
    assert [bar.get_height() for bar in behind] == pytest.approx([0.3, 0.4])
    (segments,) = [one.get_segments() for one in axes.collections]  # type: ignore[attr-defined]
    ends = [sorted(segment[:, 1]) for segment in segments]
    assert ends == [pytest.approx([0.15, 0.25]), pytest.approx([0.04, 0.08])]
    even: list[Any] = [np.asarray(line.get_ydata()).tolist() for line in axes.get_lines()]
    assert [0.1, 0.1] in even
    assert [0.2, 0.2] in even  # the break's, over as many blocks
    assert [label.get_text() for label in axes.get_xticklabels()] == ["block 1", "block 2"]
