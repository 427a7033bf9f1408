"""What of a book's file will be kept: without notices, from its first chapter to its end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path

from looking_glass.pipeline.errors import InputError
from looking_glass.text.cleaning import kept_text
from looking_glass.text.gutenberg import AHEAD, Mark, Span, books_between, find_marks
from looking_glass.text.paragraphs import Rule, rule_for
from looking_glass.text.params import EncodeParams
from looking_glass.text.reading import read_blocks, require_encoding

SAMPLE = 1 << 20  # characters that are looked at to see how paragraphs are told apart
MOST_LINES = 100_000  # that begin as `start_at` says; beyond them the first and last are enough
LOOKED_AT = 3  # lines after a heading, to see whether it stands in a table of contents
PROSE = 50  # characters: shorter lines may be headings
SMALL = 0.1  # of a text: whoever cuts more is told


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that begins with given words."""

    start: int  # characters from the text's start
    text: str
    in_contents: bool  # other headings follow it, and no prose


@dataclass(kw_only=True)
class Survey:
    """What a first reading finds."""

    length: int = 0  # characters
    lost: int = 0  # U+FFFD: characters that an earlier program could not read
    controls: int = 0  # U+0080 to U+009F, which no text means
    marks: list[Mark] = field(default_factory=list)
    starts: list[Line] = field(default_factory=list)
    stops: list[Line] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which characters of a file are kept, and how its lines are joined."""

    survey: Survey
    spans: list[Span]
    books: int
    rule: Rule
    cut_before: int  # characters of the books before `start_at`
    cut_after: int  # and from `stop_before` on
    first_line: str | None  # that `start_at` found
    last_line: str | None

    @property
    def kept(self) -> int:
        """Characters that are kept of the file, before lines are joined."""
        return sum(stop - start for start, stop in self.spans)


def plan(path: Path, params: EncodeParams) -> Plan:
    """Read a book's file once and say what will be kept of it.

    Raises `InputError` where it holds no text, is not of the encoding, or has no line that begins
    with `start_at` or `stop_before`.
    """
    require_encoding(params.encoding)
    survey = _survey(read_blocks(path, params.encoding), params)
    books = books_between(survey.marks, survey.length)
    spans, first, last, before, after = books, None, None, 0, 0
    if params.start_at is not None:
        first = _first_line(survey.starts, spans, params.start_at)
        spans, before = _within(spans, first.start, survey.length)
    if params.stop_before is not None:
        last = _last_line(survey.stops, spans, params.stop_before)
        spans, after = _within(spans, 0, last.start)
    rule: Rule = "blank_lines"
    if params.paragraphs != "auto":
        rule = params.paragraphs
    else:
        rule = rule_for(_sample(kept_text(read_blocks(path, params.encoding), spans)))
    return Plan(
        survey=survey,
        spans=spans,
        books=len(books),
        rule=rule,
        cut_before=before,
        cut_after=after,
        first_line=first.text if first else None,
        last_line=last.text if last else None,
    )


def _survey(blocks: Iterator[str], params: EncodeParams) -> Survey:
    found = Survey()
    has_text = False
    for block, following in pairwise(chain(blocks, [""])):
        ahead = following[:AHEAD]
        found.marks += find_marks(block, ahead, found.length)
        for words, lines in ((params.start_at, found.starts), (params.stop_before, found.stops)):
            if words is not None:
                lines += _lines_with(block, ahead, found.length, words)
                del lines[MOST_LINES:-1]
        found.lost += block.count("\ufffd")
        if not block.isascii():
            found.controls += len(re.findall(r"[\x80-\x9f]", block))
        has_text = has_text or bool(block.strip())
        found.length += len(block)
    if not has_text:
        raise InputError("the book: text is required, its file has none: check download's source")
    return found


def _lines_with(block: str, ahead: str, offset: int, words: str) -> Iterator[Line]:
    """Yield the lines of `block` that begin with `words`, whatever their case and last sign."""
    needle = words.strip().rstrip(".:;,")
    if needle.casefold() not in block.casefold():
        return
    text = block + ahead
    for match in re.finditer(rf"^[^\S\n]*{re.escape(needle)}(?!\w)[^\n]*", text, re.M | re.I):
        if match.start() >= len(block):
            return
        yield Line(
            start=offset + match.start(),
            text=match[0].strip(),
            in_contents=_in_contents(text[match.end() : match.end() + AHEAD], needle),
        )


def _in_contents(following: str, needle: str) -> bool:
    kind = needle.split()[0].casefold()
    lines = [line.strip() for line in following.split("\n") if line.strip()][:LOOKED_AT]
    if any(line.casefold().split()[0] == kind for line in lines):
        return True
    prose = [len(line) >= PROSE and not line[-1].isdigit() for line in lines]
    return len(lines) == LOOKED_AT and not any(prose)


def _first_line(lines: list[Line], spans: list[Span], words: str) -> Line:
    """Return the first line that begins so and does not stand in a table of contents."""
    there = _as_written(_inside(lines, spans), words)
    if not there:
        raise _missing("start_at", words)
    return next((line for line in there if not line.in_contents), there[0])


def _last_line(lines: list[Line], spans: list[Span], words: str) -> Line:
    there = _as_written(_inside(lines, spans), words)
    if not there:
        raise _missing("stop_before", words)
    return there[-1]


def _as_written(lines: list[Line], words: str) -> list[Line]:
    """Return the lines that begin with the very words, or, if none does, all of them."""
    return [line for line in lines if line.text.startswith(words.strip())] or lines


def _inside(lines: list[Line], spans: list[Span]) -> list[Line]:
    return [line for line in lines if any(start <= line.start < stop for start, stop in spans)]


def _missing(key: str, words: str) -> InputError:
    return InputError(
        f"encode.{key}: a line that begins with {words!r} is required, the text has none: "
        "correct it, or write null to keep the text whole"
    )


def _within(spans: list[Span], start: int, stop: int) -> tuple[list[Span], int]:
    """Return what of the spans lies from `start` to `stop`, and how many characters do not."""
    left = [(max(a, start), min(b, stop)) for a, b in spans]
    left = [(a, b) for a, b in left if b > a]
    size = sum(b - a for a, b in spans)
    return left, size - sum(b - a for a, b in left)


def _sample(kept: Iterable[tuple[str, bool]]) -> list[str]:
    """Return the lines of the first `SAMPLE` characters."""
    lines: list[str] = []
    size = 0
    for text, _ in kept:
        lines += text[: SAMPLE - size].strip("\n").split("\n")
        size += len(text)
        if size >= SAMPLE:
            break
    return lines
