"""Where Project Gutenberg's own words stand in a text: its marks of fifty years, and what is cut.

Its files say where a book starts and ends, since the 1990s in many forms: `*** START OF THE PROJECT
GUTENBERG EBOOK …`, `*END*THE SMALL PRINT! …*END*`, `End of Project Gutenberg's …`, `Ende dieses
Projekt Gutenberg Etextes`, indented, in capitals, over two lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_NOTICE = 60_000  # characters: its licence has 19,000, headers of the 1990s up to 25,000
AHEAD = 1_000  # characters after a block that a mark may reach into

_HINTS = ("gutenberg", "small print", "etext")
_PROJECT = r"PROJE(?:C|K|)T\w*\s+GUTENBERG"
_START = r"\*{2,}\s*(?:START|BEGINNING|ANFANG|BEGINN|D[ÉE]BUT|INICIO|INIZIO)\b"
_SMALL_PRINT = r"\*END\s?\*?\s?THE\s+SMALL\s+PRINT"
_ENDS = (
    rf"\*{{2,}}\s*(?:END|ENDE|FIN|FINE)\b[^*\n]{{0,40}}?\s*{_PROJECT}",
    rf"(?:End|Ende|Fin|Fine)\s+(?:of|de|des|dieses|diese|du|del|di)\s+[^*\n]{{0,40}}?\s*{_PROJECT}",
    r"Ende\s+dieses\s+Etextes",
    r"\*{2,}\s*This\s+is\s+a\s+COPYRIGHTED\s+Project\s+Gutenberg\s+E\w+,\s+Details\s+Above",
    r"\*{2,}\s*START:\s*FULL\s+LICENSE",
)
_MARK = re.compile(
    rf"^[^\S\n]*(?:(?P<start>{_START}[^*\n]{{0,40}}?\s*{_PROJECT})|(?P<small>{_SMALL_PRINT})"
    rf"|{'|'.join(_ENDS)})[^\n]*$",
    re.M | re.I,
)
# A mark between stars goes on to the line that ends with stars, if one of the next does.
_REST = re.compile(r"(?:\n[^\n]*){0,2}?\n[^\n]*\*{2,}[^\S\n]*$", re.M)

Span = tuple[int, int]  # characters, the second exclusive


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A line, or more, in which Project Gutenberg says that a book starts or ends."""

    start: int  # characters from the text's start
    stop: int
    opens: bool  # a book starts after it; else one has ended before it
    small_print: bool  # it is the end of a notice that a start may stand before


def find_marks(block: str, ahead: str, offset: int) -> Iterator[Mark]:
    """Yield the marks that begin in `block`, whose first character is the text's `offset`-th.

    `ahead` is how the text goes on.
    """
    text = block + ahead
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return
    for match in _MARK.finditer(text):
        if match.start() >= len(block):
            return
        line, stop = match[0].strip(), match.end()
        if line.startswith("**") and not line.endswith("**") and (rest := _REST.match(text, stop)):
            stop = rest.end()
        yield Mark(
            start=offset + match.start(),
            stop=offset + stop,
            opens=bool(match["start"] or match["small"]),
            small_print=match["small"] is not None,
        )


def books_between(marks: Sequence[Mark], length: int) -> list[Span]:
    """Return the spans of a text of `length` characters that are books, in their order.

    A book is what stands between two marks, and what precedes an end or follows a start. What
    precedes a start or follows an end is a notice, unless it is longer than one: a file may hold
    several books, and one of them may lack a mark. A notice may also stand between a start and the
    end of the small print, and between two ends.
    """
    spans: list[Span] = []
    at, inside, before = 0, not marks, False
    for mark in marks:
        notice = (mark.small_print or not inside) if mark.opens else (before and not inside)
        if not notice or mark.start - at > LONGEST_NOTICE:
            spans.append((at, mark.start))
        at, inside, before = mark.stop, mark.opens, True
    if inside or length - at > LONGEST_NOTICE:
        spans.append((at, length))
    return [(start, stop) for start, stop in spans if stop > start]
