"""Bytes of tokens ↔ characters: a character may be split over tokens, and bytes may be none."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

_ESCAPED = re.compile("[\udc80-\udcff]")
_DECODER = codecs.getincrementaldecoder("utf-8")


def escaped(content: bytes, *, whole: bool = True) -> str:
    """Return `content` as text in which each byte that is no UTF-8 is one lone surrogate.

    Unless it is the `whole` text, the beginning of a character at its end is left out.
    """
    return _DECODER("surrogateescape").decode(content, final=whole)


def readable(text: str) -> str:
    """Return an escaped text with U+FFFD for each byte that is no UTF-8: of the same length."""
    return _ESCAPED.sub("\ufffd", text)


def n_bytes(text: str) -> int:
    """Return the length in bytes of an escaped text."""
    return len(text.encode("utf-8", "surrogateescape"))


def shown_alone(content: bytes) -> str:
    """Return a token's text, or its bytes where it is no whole characters: `⟨E6 88⟩`."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{content.hex(' ').upper()}⟩"


def shown_in_text(pieces: Sequence[bytes], *, parts_told: bool = True) -> list[str]:
    """Return the text of each token of a text, a part of a character as `我[1/2]`.

    That is the whole character, which part of it the token is, and of how many; without
    `parts_told` the first part has the character, and the others nothing. Bytes that are no
    character in this text either show as `⟨E6⟩`.
    """
    owners = [index for index, piece in enumerate(pieces) for _ in piece]  # of each byte
    shown = [""] * len(pieces)
    stray: dict[int, bytearray] = {}
    position = 0
    for character in escaped(b"".join(pieces)):
        size = n_bytes(character)
        parts = list(dict.fromkeys(owners[position : position + size]))
        for number, index in enumerate(parts, start=1):
            if _ESCAPED.match(character):
                stray.setdefault(index, bytearray()).append(ord(character) - 0xDC00)
                continue
            shown[index] += _bytes(stray.pop(index, None))
            if len(parts) == 1:
                shown[index] += character
            elif parts_told:
                shown[index] += f"{character}[{number}/{len(parts)}]"
            elif number == 1:
                shown[index] += character
        position += size
    for index, left in stray.items():
        shown[index] += _bytes(left)
    return shown


def _bytes(content: bytearray | None) -> str:
    return shown_alone(bytes(content)) if content else ""
