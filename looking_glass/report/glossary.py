"""Where the page uses words that a reader may not know.

In each part of the page the first use of a word is marked: a link to its entry in the list at the
end, which describes it to a screen reader, and which a script shows beside it.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from markupsafe import Markup

from looking_glass.report.prose.terms import TERMS

_SKIPPED = {"a", "bdi", "blockquote", "button", "code", "h2", "h3", "label", "output", "summary"}
_WITHIN = {"p", "li", "figcaption", "caption"}
_EMPTY = {"br", "img", "input", "wbr", "hr"}
_FORMS = re.compile(
    r"(?<![\w-])(?:" + "|".join(f"({term.forms})" for term in TERMS if term.forms) + r")(?![\w-])",
    re.IGNORECASE,
)
_MARKED = [term for term in TERMS if term.forms]
_QUOTES = re.compile("([“”])")


def mark(html: Markup) -> Markup:
    """Return HTML with the first use of each word in each part marked.

    Left alone are headings, code, links, what is quoted, and texts of the book or the model.
    """
    marker = _Marker()
    marker.feed(str(html))
    marker.close()
    return Markup("".join(marker.written))  # noqa: S704 - what was given, and links of our own


class _Marker(HTMLParser):
    """Writes what it reads, and links around the words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.written: list[str] = []
        self._open: list[tuple[str, bool]] = []  # tags, and whether words in them are left alone
        self._met: set[str] = set()
        self._quoted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.written.append(self.get_starttag_text() or "")
        if tag in _EMPTY:
            return
        if tag == "section":
            self._met = set()
        if tag in _WITHIN:
            self._quoted = False
        names = {name for name, _ in attrs}
        self._open.append((tag, tag in _SKIPPED or bool(names & {"lang", "aria-live"})))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.written.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self.written.append(f"</{tag}>")
        while self._open and self._open.pop()[0] != tag:  # an end that may be left out
            pass

    def handle_comment(self, data: str) -> None:
        self.written.append(f"<!--{data}-->")

    def handle_entityref(self, name: str) -> None:
        self.written.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.written.append(f"&#{name};")

    def handle_data(self, data: str) -> None:
        told = any(tag in _WITHIN for tag, _ in self._open)
        alone = any(left for _, left in self._open)
        for piece in _QUOTES.split(data):
            if piece in ("“", "”"):
                self._quoted = piece == "“"
            elif told and not alone and not self._quoted:
                piece = _FORMS.sub(self._link, piece)
            self.written.append(piece)

    def _link(self, found: re.Match[str]) -> str:
        term = _MARKED[(found.lastindex or 1) - 1]
        if term.name in self._met:
            return found[0]
        self._met.add(term.name)
        address = f'href="#term-{term.name}" aria-describedby="told-{term.name}"'
        return f'<a class="term" {address}>{found[0]}</a>'
