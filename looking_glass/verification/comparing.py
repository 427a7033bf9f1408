"""Whether two runs wrote the same: the same bytes, the same numbers but for last digits, or not.

A number is the same when it is within `TOLERANCE` of the other, or of the largest one in its
column: what lies near zero beside its neighbours is a difference of larger ones, and has no digits
of its own. In a text it may also differ by one in the last place that is printed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from looking_glass.pipeline.artifacts import read_csv, read_json
from looking_glass.pipeline.errors import InputError, shorten
from looking_glass.verification.pictures import ADDRESS, in_page, pictures

TOLERANCE = 1e-3
_NUMBER = re.compile(r"[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True, order=True)
class Difference:
    """One place where two runs do not agree."""

    file: str
    place: str  # a dotted key, a row and column, a line; empty: the file as a whole
    committed: str
    found: str


def compare(path: str, committed: Path, found: Path) -> list[Difference] | None:
    """Return what really differs, nothing where only last digits do, None where no byte does.

    `path` is the file's place in both directories.
    """
    one, other = committed / path, found / path
    if not one.exists() or not other.exists():
        there = ["there" if file.exists() else "missing" for file in (one, other)]
        return [Difference(path, "", *there)]
    contents = one.read_bytes(), other.read_bytes()
    if contents[0] == contents[1]:
        return None
    try:
        if one.suffix == ".json":
            pairs = _json(read_json(one), read_json(other))
        elif one.suffix == ".csv":
            pairs = _tables(read_csv(one), read_csv(other))
        elif one.suffix == ".png":
            pairs = pictures(*contents)
        else:
            pairs = _texts(*(content.decode() for content in contents))
        return [Difference(path, *map(shorten, pair)) for pair in pairs]
    # Pillow calls a bad PNG a SyntaxError.
    except (InputError, SyntaxError, ValueError) as error:
        return [Difference(path, "", "readable", f"not: {shorten(str(error))}")]


def close(a: float, b: float, scale: float = 0.0) -> bool:
    """Return whether two numbers are the same within the tolerance, beside others of `scale`."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= TOLERANCE * max(abs(a), abs(b), scale)


def _json(a: object, b: object, key: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in dict.fromkeys([*a, *b]):
            inner = f"{key}.{name}".lstrip(".")
            yield from _json(a.get(name), b.get(name), inner)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _json(one, other, f"{key}[{index}]")
    elif not (a == b or (_is_number(a) and _is_number(b) and close(float(a), float(b)))):  # type: ignore[arg-type]
        yield key, repr(a), repr(b)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tables(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    if list(a.columns) != list(b.columns):
        yield "columns", ", ".join(a.columns), ", ".join(b.columns)
    elif len(a) != len(b):
        yield "rows", str(len(a)), str(len(b))
    else:
        for name in a.columns:
            yield from _columns(name, a[name], b[name])


def _columns(name: str, a: pd.Series, b: pd.Series) -> Iterator[tuple[str, str, str]]:
    numeric = all(pd.api.types.is_numeric_dtype(one) for one in (a, b))
    scale = float(np.nanmax(np.abs(a.to_numpy(float)), initial=0.0)) if numeric else 0.0
    for row, (one, other) in enumerate(zip(a, b, strict=True), start=1):
        same = close(float(one), float(other), scale) if numeric else str(one) == str(other)
        if not same:
            yield f"row {row}, {name}", str(one), str(other)


def _texts(a: str, b: str) -> Iterator[tuple[str, str, str]]:
    ones, others = ADDRESS.findall(a), ADDRESS.findall(b)
    for number, (one, other) in enumerate(zip(ones, others, strict=False), start=1):
        if one != other:
            for place, committed, found in in_page(one, other, _same_line):
                yield f"picture {number}, {place}", committed, found
    lines, other_lines = (ADDRESS.sub("picture", text).splitlines() for text in (a, b))
    if len(lines) != len(other_lines):
        yield "lines", str(len(lines)), str(len(other_lines))
        return
    for number, (line, other) in enumerate(zip(lines, other_lines, strict=True), start=1):
        if line != other and not _same_line(line, other):
            yield f"line {number}", line.strip(), other.strip()


def _same_line(a: str, b: str) -> bool:
    if _NUMBER.sub("0", a) != _NUMBER.sub("0", b):
        return False
    pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    return all(_same_printed(one, other) for one, other in pairs)


def _same_printed(a: str, b: str) -> bool:
    one, other = (float(text.replace("−", "-")) for text in (a, b))
    mantissa, _, exponent = a.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - decimals)
    return close(one, other) or (decimals > 0 and abs(one - other) <= 1.001 * unit)
