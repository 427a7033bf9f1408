"""Fonts that are installed here, for the characters that Matplotlib's own does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font

OWN = "DejaVu Sans"  # it comes with Matplotlib: the same on every machine
USUAL, MEDIUM = 400, 500  # weights
PLACEHOLDERS = "Last Resort"  # they have every character, and show none
_missing: ContextVar[set[str] | None] = ContextVar("missing", default=None)


@contextmanager
def noting_what_is_missing() -> Iterator[set[str]]:
    """Yield a set that will hold the characters which figures drawn meanwhile could not show."""
    missing: set[str] = set()
    token = _missing.set(missing)
    try:
        yield missing
    finally:
        _missing.reset(token)


def drawable(text: str) -> str:
    """Return `text` with □ for each character that no font of the figure being drawn has."""
    known = _characters(tuple(rcParams["font.family"]))
    lacking = {character for character in text if ord(character) not in known}
    if (missing := _missing.get()) is not None:
        missing |= lacking
    return "".join("□" if character in lacking else character for character in text)


def families_for(texts: Iterable[str]) -> list[str]:
    """Return Matplotlib's own font, and behind it installed ones for what it lacks.

    Each is the one that has most of what is still lacking, the first of those alike.
    """
    families = [OWN]
    lacking = {ord(c) for text in texts for c in text if c.isprintable()} - _of_family(OWN)
    while lacking:
        best = max(_installed(), key=lambda name: len(lacking & _of_family(name)), default=OWN)
        if not lacking & _of_family(best):
            break
        families.append(best)
        lacking -= _of_family(best)
    return families


def texts_in(values: Iterable[Any]) -> Iterator[str]:
    """Yield the texts in what a drawing function is given: strings, lists and tables of them."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, pd.DataFrame):
            for name in value.select_dtypes(exclude="number"):
                yield from texts_in(value[name].tolist())
        elif isinstance(value, Sequence):
            yield from texts_in(value)


@cache
def _installed() -> tuple[str, ...]:
    """Return the names of the fonts to choose from: upright outlines, of usual weight.

    Matplotlib knows those that were there when it first ran: what has come since is added.
    """
    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        with suppress(OSError, RuntimeError):  # what FreeType cannot read is no font to draw with
            fontManager.addfont(path)
    usual = {entry.name for entry in fontManager.ttflist if entry.weight == USUAL}
    # Some, Chinese ones above all, say medium of the one weight that they have.
    fontManager.ttflist += [
        replace(entry, weight=USUAL)
        for entry in fontManager.ttflist
        if entry.weight == MEDIUM and entry.name not in usual
    ]
    plain = {
        entry.name
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.weight == USUAL and entry.stretch == "normal"
        if Path(entry.fname).exists() and not entry.name.startswith(PLACEHOLDERS)
    }
    return tuple(sorted(name for name in plain if get_font(_path(name)).scalable))


def _path(name: str) -> str:
    return findfont(FontProperties(family=[name]))


@cache
def _of_family(name: str) -> frozenset[int]:
    return frozenset(get_font(_path(name)).get_charmap())


@cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    return frozenset().union(*(_of_family(name) for name in families))
