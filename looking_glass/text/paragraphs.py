"""Which lines of a text make up a paragraph, and how they are joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import regex

from looking_glass.text.words import has_unspaced

Rule = Literal["blank_lines", "indents", "lines"]

FEW = 0.05  # blank lines a line: with fewer they part chapters, not paragraphs
FULL = 0.5  # of the lines that another follows: with more that had no room left, lines are wrapped
LONG = 120  # characters: no typesetter wraps so late, on average
INDENTED = (0.01, 0.6)  # of all lines, where an indent begins a paragraph

_COMPOUND = regex.compile(r"\p{L}[-\u2010]$")
_DASH = regex.compile(r"\S(?:--|[\u2013\u2014\u2015])$")


def rule_for(lines: Sequence[str]) -> Rule:
    """Return by what the paragraphs of a text are told apart, given some of its lines in a row.

    By blank lines, unless there are next to none, or the lines are so long that each is a paragraph
    of its own. Without blank lines: by indents where lines are wrapped (most had no room for the
    next line's first word) and some are indented, and else each line is a paragraph.
    """
    written = [line for line in lines if line.strip()]
    if not written:
        return "blank_lines"
    blank = len(lines) - len(written)
    wrapped = _share_full(lines) >= FULL
    if not wrapped and sum(map(len, written)) > LONG * len(written):
        return "lines"
    if blank >= FEW * len(written):
        return "blank_lines"
    indented = sum(line[0].isspace() for line in written) / len(written)
    if wrapped:
        return "indents" if INDENTED[0] <= indented <= INDENTED[1] else "blank_lines"
    return "lines"


def _share_full(lines: Sequence[str]) -> float:
    """Return the share of lines that had no room for the first word of the line after them."""
    widths = sorted(len(line.rstrip()) for line in lines if line.strip())
    width = widths[int(0.95 * (len(widths) - 1))]
    pairs = [(one.rstrip(), two.split()) for one, two in pairwise(lines) if one.strip()]
    full = [len(one) + len(_first(two[0])) >= width for one, two in pairs if two]
    return sum(full) / len(full) if full else 0.0


def _first(word: str) -> str:
    """Return what of a line's first word must stand together: a character of some scripts."""
    return word[0] if has_unspaced(word[0]) else word


@dataclass(kw_only=True)
class Joiner:
    """Lines put together as paragraphs, each on one line, with one blank line between them."""

    rule: Rule
    paragraphs: int = 0
    unspaced: int = 0  # lines joined to the one before without a space
    _begins: bool = field(default=True, init=False)  # the next line of text begins a paragraph
    _end: str = field(default="", init=False)  # of the text so far

    def break_here(self) -> None:
        """Begin a paragraph with the next line."""
        self._begins = True

    def joined(self, lines: Iterable[str], *, goes_on: bool = False) -> Iterator[str]:
        """Yield the text of each line, after what parts it from the text before.

        `goes_on`: the first of them is the rest of the line before. Runs of white space become one
        space: line ends and indents are typesetting, and would otherwise be a fifth of what a
        model learns of a book.
        """
        for line in lines:
            words = line.split()
            if words:
                text = " ".join(words)
                yield self._part(line, text, goes_on=goes_on) + text
                self._end, self._begins = text[-3:], False
            elif not goes_on:
                self._begins = True
            goes_on = False

    def _part(self, line: str, text: str, *, goes_on: bool) -> str:
        if goes_on and not self._begins:
            return " " if line[0].isspace() else ""
        indent = self.rule == "indents" and line[0].isspace()
        if self._begins or indent or self.rule == "lines":
            self.paragraphs += 1
            return "\n\n" if self._end else ""
        part = joint(self._end, text)
        self.unspaced += not part
        return part


def joint(end: str, start: str) -> str:
    """Return what stands between the end of a line and the start of the next: a space or nothing.

    Nothing after a hyphen within a compound (`sheep-` `bells`), between characters of scripts that
    put no spaces, and where a sentence goes on after a dash that follows a word without a space; a
    capital there begins a line of verse.
    """
    compound = _COMPOUND.search(end) and start[0].isalpha()
    dash = _DASH.search(end) and start[0].islower()
    unspaced = has_unspaced(end[-1]) and has_unspaced(start[0])
    return "" if compound or dash or unspaced else " "
