"""Two pictures compared by what is seen: pixels, or the texts, places and colours of a drawing."""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import matplotlib.image
import numpy as np

# Of pixels: the share that may look different, and by how much one may not.
PIXELS, SHADE = 0.02, 16 / 255
# Of lines: how far one may be from its place, as a share of the drawing's larger side.
SHIFT = 0.01
ADDRESS = re.compile(r'data:image/[^"]*')  # in a page, where it is an attribute
_PNG, _SVG = "data:image/png;base64,", "data:image/svg+xml,"
_SIZE = re.compile(r"viewBox=.0 0 ([\d.]+) ([\d.]+)")
_TEXT = re.compile(r"<!-- (.*?) -->", re.DOTALL)
# Outlines of letters, and marks before they are put anywhere: they have names.
_NAMED = re.compile(r"<path id=[^>]*>")
_SHAPE = re.compile(r"<(?:path d=|use xlink:href=.#m|g transform=.translate)[^>]*>")
_IMAGE = re.compile(_PNG + r"([A-Za-z0-9+/= ]+)")
_COLOR = re.compile(r"(?:fill|stroke): (?:#\w{6}|none)")
_POINT = re.compile(r"(-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?)|\bx=.(-?[\d.]+). y=.(-?[\d.]+)")

Pairs = Iterator[tuple[str, str, str]]


def pictures(a: bytes, b: bytes) -> Pairs:
    """Yield what looks different in two PNGs: its place, and how it is in either."""
    one, other = (matplotlib.image.imread(io.BytesIO(content)) for content in (a, b))
    if one.shape != other.shape:
        yield "size", str(one.shape[:2]), str(other.shape[:2])
    else:
        share = float((np.abs(one - other).max(axis=-1) > SHADE).mean())
        if share > PIXELS:
            yield "pixels", "the same", f"{share:.1%} look different"


def in_page(a: str, b: str, same_text: Callable[[str, str], bool]) -> Pairs:
    """Yield what looks different in two `data:` addresses, each of a PNG or an SVG.

    `same_text` tells whether two texts are the same but for last digits.
    """
    if a.startswith(_PNG) and b.startswith(_PNG):
        yield from pictures(*(binascii.a2b_base64(one.removeprefix(_PNG)) for one in (a, b)))
    elif a.startswith(_SVG) and b.startswith(_SVG):
        one, other = (unquote(address.removeprefix(_SVG)) for address in (a, b))
        yield from drawings(one, other, same_text)
    else:
        yield "kind", a.partition(",")[0], b.partition(",")[0]


def drawings(a: str, b: str, same_text: Callable[[str, str], bool]) -> Pairs:
    """Yield what looks different in two SVGs: texts, where lines lie, colours, images."""
    texts, others = _TEXT.findall(a), _TEXT.findall(b)
    if len(texts) != len(others):
        yield "texts", str(len(texts)), str(len(others))
    for one, other in zip(texts, others, strict=False):
        if not same_text(one, other):
            yield "text", one, other
    room = SHIFT * max(_numbers(_SIZE.search(a)) or [0.0])
    shapes, others = (_SHAPE.findall(_NAMED.sub("", svg)) for svg in (a, b))
    if len(shapes) != len(others):
        yield "lines", str(len(shapes)), str(len(others))
    else:
        moved = sum(not _same_shape(*pair, room) for pair in zip(shapes, others, strict=True))
        if moved:
            yield "lines", "the same", f"{moved} of {len(shapes)} lie elsewhere"
    for one, other in zip(_IMAGE.findall(a), _IMAGE.findall(b), strict=False):
        yield from pictures(binascii.a2b_base64(one), binascii.a2b_base64(other))


def _same_shape(a: str, b: str, room: float) -> bool:
    """Return whether two lines have the same colours, and ends within `room` of each other."""
    if _COLOR.findall(a) != _COLOR.findall(b):
        return False
    ends = [_ends(shape) for shape in (a, b)]
    return bool(np.all(np.abs(ends[0] - ends[1]) <= room))


def _ends(shape: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the least and the largest of a line's points: (2, 2).

    How many points it has may differ: Matplotlib leaves out those that nobody sees.
    """
    points = np.array([_numbers(found) for found in _POINT.finditer(shape)] or [[0.0, 0.0]])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _numbers(found: re.Match[str] | None) -> list[float]:
    return [float(number) for number in found.groups() if number] if found else []
