"""Figures take installed fonts for what their own lacks, and say what none has."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from looking_glass.report.figures import fonts
from looking_glass.report.figures.fonts import families_for, noting_what_is_missing, texts_in
from looking_glass.report.figures.style import figure_of, in_house_style, printable
from looking_glass.report.pictures import to_png


@pytest.fixture
def two_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which one font has Han, and another Han and Thai; none has emoji."""
    have = {fonts.OWN: "ab□", "Han": "我来", "Han and Thai": "我来ไ", "Latin": "abc"}
    monkeypatch.setattr(fonts, "_installed", lambda: ("Han", "Han and Thai", "Latin"))
    monkeypatch.setattr(fonts, "_of_family", lambda name: frozenset(map(ord, have[name])))


def test_fonts_are_added_for_what_is_lacking_alone(two_fonts: None) -> None:
    assert families_for(["ab"]) == [fonts.OWN], "the default's figures stay as they are"
    assert families_for(["a我"]) == [fonts.OWN, "Han"]
    assert families_for(["我来", "ไc🐿"]) == [fonts.OWN, "Han and Thai", "Latin"]
    assert families_for(["🐿\n"]) == [fonts.OWN]


def test_matplotlibs_own_font_is_enough_for_many_scripts() -> None:
    assert families_for(["Alice – “Привет” ␣↵⇥ عربي Größe ₀½"]) == [fonts.OWN]
    assert not any(name.startswith("Last Resort") for name in fonts._installed())


def test_a_font_whose_one_weight_is_medium_is_one_to_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = next(one for one in fontManager.ttflist if Path(one.fname).name == "DejaVuSans.ttf")
    weights = {"Medium": 500, "Usual": 400, "Bold": 700}
    entries = [dataclasses.replace(own, name=name, weight=n) for name, n in weights.items()]
    monkeypatch.setattr(fontManager, "ttflist", entries)
    monkeypatch.setattr(fonts, "findSystemFonts", list)
    monkeypatch.setattr(fonts, "_path", lambda _name: own.fname)
    assert fonts._installed.__wrapped__() == ("Medium", "Usual")


def test_texts_are_found_in_tables_and_lists() -> None:
    table = pd.DataFrame({"text": ["我", "b"], "n": [1, 2]})
    assert sorted(texts_in([table, "c", ["d"], 3, None])) == ["b", "c", "d", "我"]


def test_what_no_font_has_is_noted_and_drawn_as_a_box() -> None:
    lacking = "\U000e0041"  # a tag: no font draws it

    @in_house_style
    def draw(label: str) -> Figure:
        figure, axes = figure_of(2, 1)
        axes.set_title(printable(label))
        return figure

    with noting_what_is_missing() as missing, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_png(draw(f"a{lacking}"), 50)
    assert missing == {lacking}
    with noting_what_is_missing() as missing:
        draw("عربي")
    assert missing == set()
