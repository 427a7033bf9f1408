"""The page: what the template shows, filled in."""

from __future__ import annotations

import base64
import re
import unicodedata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from looking_glass.report.prose.phrases import percent, visible
from looking_glass.report.readings import Readings

TEMPLATES = Path(__file__).parent / "templates"
QUOTED = re.compile("“([^“”]*)”")


def data_uri(png: bytes) -> str:
    """Return a PNG as a `data:` address, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def isolated(value: Any) -> Any:
    """Return a sentence with what it quotes set apart where that runs from right to left.

    Signs and numbers after such a word would else be put on its other side. (Unicode's first strong
    isolate and its end: UAX 9.)
    """
    if not isinstance(value, str) or hasattr(value, "__html__") or not _runs_left(value):
        return value
    return QUOTED.sub("“\u2068\\1\u2069”", value)


def _runs_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def render(context: dict[str, Any], readings: Readings) -> str:
    """Return the page. Every value is escaped; a name the template misses raises."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=isolated,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, show=visible, reading=readings.label)
    return environment.get_template("report.html.jinja").render(context) + "\n"
