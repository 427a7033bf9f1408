"""Matplotlib figures → bytes: PNG files, and what stands for a figure in the page.

In the page a figure is drawn in lines, as SVG, where those are few: it is crisp at any size and on
paper. Where they are many it is a PNG. Text becomes outlines, so that no reader needs its fonts.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

LARGEST = 200_000  # characters of an address: a longer one is a PNG's
PIXELS_AN_INCH = 110  # in the page: CSS has 96, in which the small print is smaller than the text
# Names of marks and clips depend on this salt alone, so that the same figure has the same bytes.
LINES: Any = {"svg.hashsalt": "looking-glass", "svg.fonttype": "path"}
# What an address may hold as it is, beside letters and digits: no sign that ends an attribute.
PLAIN = " '()*+,-./:;=@_~!?[]{}|^$"

_LEFT_OUT = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)
_NAME = re.compile(r' id="([^"]*)"')
_LONG = re.compile(r"scale\([^)]*\)|(\d+\.\d\d)\d+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure painted: as a PNG file, and as the page shows it, with its size in CSS pixels."""

    png: bytes
    source: Markup  # a `data:` address
    width: int
    height: int


def to_png(figure: Figure, dpi: int) -> bytes:
    """Return the figure as PNG bytes, without the version that Matplotlib would write into them."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, dpi: int) -> str:
    """Return the figure as SVG: no date, no version, and no more digits than are seen.

    What is laid out already stays where it is. `dpi` is that of the parts drawn in pixels.
    """
    if figure.get_layout_engine() is not None:
        figure.set_layout_engine("none")
    buffer = io.StringIO()
    with rc_context(LINES):
        figure.savefig(
            buffer,
            format="svg",
            dpi=dpi,
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return slim(buffer.getvalue())


def slim(svg: str) -> str:
    """Return an SVG without what nobody sees: unused names, digits beyond the second.

    Comments stay: they hold the texts, which are outlines else, for whoever compares two runs.
    """
    svg = _LEFT_OUT.sub("", svg)
    svg = _NAME.sub(lambda found: found[0] if f"#{found[1]}" in svg else "", svg)
    svg = _LONG.sub(lambda found: found[1] or found[0], svg)
    svg = _SPACE.sub(" ", svg).replace("> <", "><").replace(' "', '"').strip()
    while "<g></g>" in svg:
        svg = svg.replace("<g></g>", "")
    return svg


def paint(figure: Figure, dpi: int) -> Picture:
    """Return the figure painted; in the page it is in lines where they are few, else its PNG."""
    png, lines = to_png(figure, dpi), svg_address(to_svg(figure, dpi))
    width, height = (round(PIXELS_AN_INCH * inches) for inches in figure.get_size_inches())
    return Picture(
        png=png,
        source=lines if len(lines) <= LARGEST else png_address(png),
        width=width,
        height=height,
    )


def png_address(png: bytes) -> Markup:
    """Return a PNG as a `data:` address, so that the page needs no other file."""
    return Markup("data:image/png;base64," + base64.b64encode(png).decode("ascii"))  # noqa: S704


def svg_address(svg: str) -> Markup:
    """Return an SVG as a `data:` address: as text, which is shorter than base64 of it."""
    return Markup("data:image/svg+xml," + quote(svg.replace('"', "'"), safe=PLAIN))  # noqa: S704
