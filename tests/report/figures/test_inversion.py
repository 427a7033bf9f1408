"""Figures of the inversion draw any sentence and any readings."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from looking_glass.report.figures import inversion as inversion_figures
from tests.helpers.report import COLORS, FRONTIER, READINGS, TOKENS


@pytest.mark.parametrize("n_tokens", [1, 9, 13])
def test_figures_draw_any_number_of_tokens(n_tokens: int) -> None:
    texts = [("$5", "a_b^c", " é")[index % 3] for index in range(n_tokens)]
    steps = pd.DataFrame(
        {
            "step": [0] * n_tokens + [20] * n_tokens,
            "position": [*range(n_tokens)] * 2,
            "text": texts * 2,
            "log_prob": [-9.0] * n_tokens + [-1.0] * n_tokens,
        }
    )
    points = pd.DataFrame(
        {
            "kind": ["embedding", "target", "parallel", "prefix_1"],
            "text": ["", "$x", "$x", ""],
            "x": [0.0, 1, 2, 3],
            "y": [0.0, 1, 2, 3],
        }
    )
    loss = pd.DataFrame({"step": [0, 20], "parallel": [9.0, 1.0], "prefix_3": [float("nan")] * 2})
    for figure in (
        inversion_figures.inversion_steps(steps, [-0.5] * n_tokens, COLORS),
        inversion_figures.success_grid(FRONTIER, READINGS, COLORS),
        inversion_figures.embedding_map(points, READINGS, COLORS),
        inversion_figures.inversion_loss(loss, READINGS, 0.5, COLORS),
        inversion_figures.inversion_tokens(TOKENS, READINGS, COLORS),
    ):
        figure.savefig(io.BytesIO(), format="png")


def test_each_cell_of_the_grid_tells_its_own_numbers() -> None:
    figure = inversion_figures.success_grid(FRONTIER, READINGS, COLORS)
    (axes,) = figure.axes
    cells = {(int(text.xy[1]), int(text.xy[0])): text.get_text() for text in axes.texts}  # type: ignore[attr-defined]
    assert len(cells) == 3 * 3, "three sentences in three readings"
    assert cells[0, 0] == "100%\n0.60"
    assert cells[1, 2] == "25%\n1.00"
    assert cells[2, 0] == "0%\n9.00"
    assert {cells[0, 1], cells[1, 1], cells[2, 2]} == {"does not fit"}
