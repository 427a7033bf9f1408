"""The page: what the template shows, filled in."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from looking_glass.report.prose.phrases import percent, visible
from looking_glass.report.readings import Readings

TEMPLATES = Path(__file__).parent / "templates"


def data_uri(png: bytes) -> str:
    """Return a PNG as a `data:` address, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def render(context: dict[str, Any], readings: Readings) -> str:
    """Return the page. Every value is escaped; a name the template misses raises."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, show=visible, reading=readings.label)
    return environment.get_template("report.html.jinja").render(context) + "\n"
