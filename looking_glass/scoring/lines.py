"""Lines of text, or pairs of them, as a file or standard input brings them, one after the other."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from looking_glass.pipeline.errors import InputError, shorten

CHUNK = 512  # lines that are scored at a time: in memory are these alone


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """A line that holds text."""

    number: int  # in the file, from 1
    text: str  # without white space at its ends


@dataclass
class Counter:
    """What has been read."""

    lines: int = 0
    blank: int = 0


def read_lines(stream: Iterable[bytes], counter: Counter) -> Iterator[TextLine]:
    """Yield the lines of a stream of bytes in UTF-8 that hold more than white space.

    Raises `InputError`, naming the line, on bytes that are no UTF-8.
    """
    for raw in stream:
        counter.lines += 1
        content = raw.removeprefix(codecs.BOM_UTF8) if counter.lines == 1 else raw
        try:
            text = content.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise InputError(
                f"line {counter.lines}: text in UTF-8 is required, byte {error.start + 1} of it "
                f"(0x{error.object[error.start]:02x}) is none: convert the file to UTF-8"
            ) from None
        if text:
            yield TextLine(number=counter.lines, text=text)
        else:
            counter.blank += 1


def split_pair(line: TextLine) -> tuple[TextLine, TextLine]:
    """Return the two sentences of a line; raise `InputError` unless one tab stands between them."""
    parts = [part.strip() for part in line.text.split("\t")]
    if len(parts) != 2 or not all(parts):
        raise InputError(
            f"line {line.number}: two sentences with a tab between them are required, the better "
            f"one first, got {shorten(repr(line.text))}: correct it, or leave out --pairs"
        )
    return TextLine(number=line.number, text=parts[0]), TextLine(number=line.number, text=parts[1])


def chunks(lines: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """Yield lists of `size` items in their order, the last one of what is left."""
    some: list[Any] = []
    for line in lines:
        some.append(line)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
