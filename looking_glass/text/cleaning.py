"""The text of a book, once it is known what of its file is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from looking_glass.text.gutenberg import Span
from looking_glass.text.paragraphs import Joiner
from looking_glass.text.params import EncodeParams
from looking_glass.text.reading import read_blocks

BATCH = 1 << 18  # characters of cleaned text, and a little more, handed on at once


def kept_text(blocks: Iterable[str], spans: list[Span]) -> Iterator[tuple[str, bool]]:
    """Yield what of the blocks lies in the spans, each with whether it begins one."""
    offset, waiting = 0, list(spans)
    for block in blocks:
        while waiting and waiting[0][0] < offset + len(block):
            start, stop = waiting[0]
            yield block[max(0, start - offset) : stop - offset], start >= offset
            if stop > offset + len(block):
                break
            waiting.pop(0)
        offset += len(block)


def cleaned(path: Path, params: EncodeParams, spans: list[Span], joiner: Joiner) -> Iterator[str]:
    """Yield the text in these spans of a file, in pieces that can be encoded one by one.

    Each begins where a run of white space does, but for the first.
    GPT-2's encoder splits a text wherever white space begins before it merges, so that the tokens
    of the pieces are those of the whole.
    """
    kept = kept_text(read_blocks(path, params.encoding), spans)
    parts = _unwrapped(kept, joiner) if params.unwrap else _as_they_are(kept)
    piece: list[str] = []
    size = 0
    for part in parts:
        if size >= BATCH and part[:1].isspace() and not piece[-1][-1:].isspace():
            yield "".join(piece)
            piece, size = [], 0
        piece.append(part)
        size += len(part)
    if piece:
        yield "".join(piece)


def _unwrapped(kept: Iterable[tuple[str, bool]], joiner: Joiner) -> Iterator[str]:
    goes_on = False
    for text, begins in kept:
        if begins:
            joiner.break_here()
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        yield from joiner.joined(lines, goes_on=goes_on and not begins)
        goes_on = not text.endswith("\n")


def _as_they_are(kept: Iterable[tuple[str, bool]]) -> Iterator[str]:
    """Yield the text with its line ends, but for those around it; a blank line between spans."""
    ends, first = "", True
    for text, begins in kept:
        if begins and not first:
            ends, text = "\n\n", text.lstrip("\n")
        if first:
            text = text.lstrip("\n")
        for line in re.findall(r"\n*[^\n]+|\n+$", text):
            if line.strip("\n"):
                yield ends + line
                ends, first = "", False
            else:
                ends += line
