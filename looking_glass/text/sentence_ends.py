"""Where a text's first sentence ends, as its language has it."""

from __future__ import annotations

from collections.abc import Sequence

from sentencex import segment

from looking_glass.text.characters import escaped, n_bytes, readable

PARAGRAPH = "\n\n"


def first_sentence(content: bytes, language: str) -> int | None:
    """Return how many bytes of a text its first sentence has, or None while it is not over.

    It is over when the next one has begun, or at a paragraph break: white space at its start is
    part of it, none at its end. A character that is not yet whole is waited for.
    """
    text = escaped(content, whole=False)
    start = len(text) - len(text.lstrip())
    body, broken, _ = readable(text[start:]).partition(PARAGRAPH)
    length = _first_segment(body, language)
    if not broken and not body[length:].strip():
        return None
    return n_bytes(text[: start + len(body[:length].rstrip())])


def _first_segment(text: str, language: str) -> int:
    """Return how many characters the first of the library's segments has.

    It reads three full stops as the end of a sentence where a new one begins, and "…" as none: so
    it is given the stops.
    """
    spelled = text.replace("…", "...")
    left = len(next(iter(segment(language, spelled)), ""))
    for index, character in enumerate(text):
        if left <= 0:
            return index
        left -= 3 if character == "…" else 1
    return len(text)


def sentence_length(pieces: Sequence[bytes], language: str) -> int:
    """Return how many of a text's tokens, given their bytes, make up the first sentence.

    All, when none ends. It is found token by token, as when they are drawn one after the other. A
    token that holds the end and what comes after it belongs to the sentence.
    """
    content = b""
    for piece in pieces:
        content += piece
        end = first_sentence(content, language)
        if end is not None:
            return _holding(pieces, end)
    return len(pieces)


def _holding(pieces: Sequence[bytes], n: int) -> int:
    """Return how many pieces it takes to hold the first `n` bytes."""
    position = 0
    for index, piece in enumerate(pieces):
        if position >= n:
            return index
        position += len(piece)
    return len(pieces)
