"""Labels that Matplotlib can draw, and a style that stays where it belongs."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from looking_glass.report.figures.style import figure_of, in_house_style, printable


def test_labels_show_white_space_and_no_formula() -> None:
    assert printable(" a\n") == "␣a↵"
    assert printable("$x$") == r"\$x\$"
    assert printable(" 🐿é") == "␣□é", "no warning of a missing glyph"


def test_the_house_style_is_for_the_houses_figures_alone() -> None:
    seen = []

    @in_house_style
    def draw() -> Figure:
        seen.append(mpl.rcParams["axes.titlelocation"])
        return figure_of(2, 1)[0]

    before = mpl.rcParams["axes.titlelocation"]
    assert draw().get_size_inches().tolist() == [2, 1]
    assert seen == ["left"] != [before]
    assert mpl.rcParams["axes.titlelocation"] == before
