"""A figure as bytes: the same on every machine, in lines where they are few."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from looking_glass.report import pictures
from looking_glass.report.pictures import paint, png_address, slim, svg_address, to_png, to_svg


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1), layout="constrained")
    axes = figure.subplots()
    axes.plot([1, 2, 1.123456789])
    axes.set_title("a < b & --> '\"")
    return figure


def test_a_figure_is_a_png_of_the_size_asked_for_and_names_no_version() -> None:
    figure = drawn()
    png = to_png(figure, 50)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (100, 50)
    assert b"atplotlib" not in png
    assert to_png(figure, 50) == png


def test_lines_have_the_same_bytes_each_time_and_name_no_version_or_date() -> None:
    figure = drawn()
    to_png(figure, 50)
    svg = to_svg(figure, 50)
    assert svg == to_svg(figure, 50)
    fresh = drawn()
    to_png(fresh, 50)
    assert svg == to_svg(fresh, 50)
    assert not re.search("atplotlib|[dD]ate|metadata", svg)
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox") == "0 0 144 72"
    assert not re.findall(r"(?<!scale\()\b\d+\.\d{3}", svg), "no digit that nobody sees"
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert set(re.findall(r' id="([^"]*)"', svg)) == used


def test_what_nobody_sees_is_left_out_and_a_scale_keeps_its_digits() -> None:
    svg = '<?xml version="1.0"?>\n<svg>\n <g id="a">\n  <g/><g></g>\n <!-- 1 --></g>'
    svg += (
        '<path id="b" d="M 1.23456 2 \nL 3 4" transform="scale(0.015625)"/><use href="#b"/></svg>'
    )
    assert slim(svg) == (
        '<svg><g><g/><!-- 1 --></g><path id="b" d="M 1.23 2 L 3 4" transform="scale(0.015625)"/>'
        '<use href="#b"/></svg>'
    )


def test_an_address_holds_all_of_it_and_ends_no_attribute() -> None:
    kind, content = png_address(b"\x89PNG").split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == b"\x89PNG"
    svg = to_svg(drawn(), 50)
    kind, content = svg_address(svg).split(",", 1)
    assert kind == "data:image/svg+xml"
    assert unquote(content) == svg.replace('"', "'")
    assert not set(content) & set('<>"#&\n')


@pytest.mark.parametrize(("largest", "kind"), [(10**6, "svg+xml"), (100, "png;base64")])
def test_many_lines_are_shown_as_dots(
    monkeypatch: pytest.MonkeyPatch, largest: int, kind: str
) -> None:
    monkeypatch.setattr(pictures, "LARGEST", largest)
    painted = paint(drawn(), 50)
    assert painted.source.startswith(f"data:image/{kind},")
    assert painted.png == to_png(drawn(), 50)
    assert (painted.width, painted.height) == (220, 110)
