"""The page: what the template shows, filled in."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from looking_glass.pipeline.params import with_line_breaks
from looking_glass.report import glossary
from looking_glass.report.contents import Contents
from looking_glass.report.live.scripts import join_modules
from looking_glass.report.prose.phrases import percent, visible
from looking_glass.report.prose.terms import TERMS
from looking_glass.report.readings import Readings

TEMPLATES = Path(__file__).parent / "templates"
MODULES = Path(__file__).parent / "live"  # of scripts: some are the live page's as well
QUOTED = re.compile("“([^“”]*)”")


def digest(text: str) -> Markup:
    """Return what a Content-Security-Policy names an inline style or script by (W3C, CSP 3)."""
    found = hashlib.sha256(text.encode()).digest()
    return Markup(f"'sha256-{base64.b64encode(found).decode('ascii')}'")  # noqa: S704


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
    """Return the page. Every value is escaped; a name the template misses raises.

    The page's own policy lets a browser run and apply nothing but the script and the style whose
    hashes it names, and load nothing: markup that came through all the same would do nothing.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=isolated,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        show=visible,
        breaks=with_line_breaks,
        reading=readings.label,
        digest=digest,
        terms=glossary.mark,
    )
    page = environment.get_template("report.html.jinja")
    script = Markup(join_modules("report", MODULES))  # noqa: S704 - our own
    return page.render(context, contents=Contents(), glossary=TERMS, script=script) + "\n"
