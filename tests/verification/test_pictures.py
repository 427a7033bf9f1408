"""Pictures are compared by what is seen, whether they are dots or lines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from looking_glass.report.pictures import png_address, svg_address, to_png, to_svg
from looking_glass.verification.comparing import _same_line
from looking_glass.verification.pictures import drawings, in_page

VALUES = [1.0, 2.0, 4.0, 3.0]


def drawn(
    values: list[float] = VALUES,
    color: str = "#2f5d8a",
    said: str = "it is 0.52",
    cell: float = 0.5,
) -> Figure:
    figure = Figure(figsize=(4, 3))
    upper, lower = figure.subplots(2)
    upper.plot(values, color=color)
    upper.bar([0, 1], [1.0, 2.0])
    upper.set_title(said)
    upper.set_ylim(0, 5)
    lower.imshow([[0.0, cell], [1.0, 0.2]], interpolation="none", vmin=0, vmax=1)
    return figure


def differing(**changes: object) -> list[str]:
    """Return the places at which a drawing changed so differs from one left as it is."""
    one, other = (to_svg(drawn(**given), 50) for given in ({}, changes))  # type: ignore[arg-type]
    return [place for place, *_ in drawings(one, other, _same_line)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"values": [1.0, 2.001, 4.0, 3.0]},
        {"values": [1.0, 1.999, 4.0, 2.999]},
        {"said": "it is 0.53"},
        {"cell": 0.51},
    ],
)
def test_last_digits_are_not_seen(changes: dict[str, object]) -> None:
    assert differing(**changes) == []


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"values": [1.0, 2.0, 3.0, 3.0]}, ["lines"]),
        ({"color": "#c8612e"}, ["lines"]),
        ({"said": "it is 0.72"}, ["text"]),
        ({"cell": 0.9}, ["pixels"]),
    ],
)
def test_what_is_seen_is_told(changes: dict[str, object], places: list[str]) -> None:
    assert differing(**changes) == places


def test_another_number_of_lines_or_texts_is_told() -> None:
    one, other = to_svg(drawn(), 50), to_svg(Figure(figsize=(4, 3)), 50)
    assert [place for place, *_ in drawings(one, other, _same_line)] == ["texts", "lines"]


@pytest.mark.parametrize(
    ("other", "places"),
    [
        (lambda: svg_address(to_svg(drawn(), 50)), ["kind"]),
        (lambda: png_address(to_png(drawn(), 50)), []),
        (lambda: png_address(to_png(drawn(cell=0.9), 50)), ["pixels"]),
    ],
)
def test_pictures_of_a_page_are_of_a_kind(other: Callable[[], str], places: list[str]) -> None:
    one = png_address(to_png(drawn(), 50))
    assert [place for place, *_ in in_page(one, other(), _same_line)] == places
