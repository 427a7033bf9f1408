"""A book's file read as text in one form, some of it at a time, however long it is."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from looking_glass.pipeline.errors import InputError, shorten

BLOCK = 1 << 20  # bytes read at once
LONGEST_LINE = 1 << 22  # characters: a longer line is passed on in parts
SAMPLE = 1 << 16  # bytes that are shown to the detector of encodings
QUOTED = 40  # characters of a text shown in a message

# Signs that exporters put where others put a line feed, and one that no reader sees.
_LINE_ENDS = {"\x85": "\n", "\v": "\n", "\u2028": "\n", "\u2029": "\n\n", "\ufeff": ""}
# A page ends with a form feed, often beside a line end: the two are one.
_FORM_FEED = re.compile(r"^\f+|\f+(?=\n)", re.M)
# A soft hyphen at a line's end stands within a word.
_SOFT_HYPHEN = re.compile(r"\xad[^\S\n]*\n[^\S\n]*")
_LAST_WHITE = re.compile(r"\s+(?=\S*$)")


def require_encoding(name: str) -> None:
    """Raise `InputError` unless Python knows an encoding of text of this name."""
    try:
        known = codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise InputError(
            "encode.encoding: the name of an encoding is required, got "
            f"{shorten(repr(name), QUOTED)}: write utf-8, or for instance windows-1252, utf-16 "
            "or gb18030"
        )


def read_blocks(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a file in blocks, each of whole lines that end with a line feed.

    A line of more than `LONGEST_LINE` comes in parts, cut before white space where it has any; the
    last line may lack its end. Line ends of any kind are line feeds, byte-order marks and soft
    hyphens are gone, and lines that soft hyphens broke are joined. Raises `InputError` where the
    bytes are not of the encoding, or hold NUL.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    held, offset = "", 0
    with path.open("rb") as file:
        while chunk := file.read(BLOCK):
            held += _decoded(decoder, chunk, offset, path=path, encoding=encoding)
            offset += len(chunk)
            # What a run of white space means is known at its end alone.
            end = len(held.rstrip("\xad\ufeff \t\n\r\f\v\x85\u2028\u2029"))
            ready, held = _cut(_one_form(held[:end]), held[end:])
            if ready:
                yield ready
        held += _decoded(decoder, b"", offset, path=path, encoding=encoding)
    if ready := _one_form(held):
        yield ready


def _decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, *, path: Path, encoding: str
) -> str:
    waiting = len(decoder.getstate()[0])  # bytes of a character that the last chunk began
    try:
        text = decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        place = offset - waiting + error.start
        raise InputError(
            f"{path}: text in {encoding} is required (encode.encoding), but byte {place:,} "
            f"(0x{error.object[error.start]:02x}) is none{_advice(path, place)}"
        ) from None
    if "\0" in text:
        place = offset - waiting + len(text[: text.index("\0")].encode(encoding, "replace"))
        raise InputError(
            f"{path}: text in {encoding} is required (encode.encoding), but near byte {place:,} "
            f"stands NUL, which no text holds{_advice(path, place)}"
        )
    return text


def _advice(path: Path, place: int) -> str:
    """Return what the encoding may be and how the text would then read; it decides nothing."""
    with path.open("rb") as file:
        file.seek(max(0, place - SAMPLE // 2) & ~1)  # even: two bytes may be one character
        sample = file.read(SAMPLE)
        file.seek(max(0, place - QUOTED) & ~1)
        around = file.read(2 * QUOTED)
    best = from_bytes(sample).best()
    if best is None or best.encoding in ("utf_8", "ascii"):
        return ": convert it to UTF-8 first"
    # Of several that give the same text, the one that most such files have.
    name = "windows-1252" if "cp1252" in best.could_be_from_charset else best.encoding
    shown = " ".join(around.decode(name, "ignore").replace("\0", "").split())
    return (
        f": it may be {name}, and would read {shown!r}; if that is right, set encode.encoding to "
        f"{name}"
    )


def _one_form(text: str) -> str:
    """Return `text` with line feeds for line ends, without soft hyphens and byte-order marks."""
    if "\r" in text:
        text = re.sub(r"\r+\n|\r", "\n", text)
    for sign, meant in _LINE_ENDS.items():
        if sign in text:
            text = text.replace(sign, meant)
    if "\f" in text:
        text = _FORM_FEED.sub("", text).replace("\f", "\n")
    if "\xad" in text:
        text = _SOFT_HYPHEN.sub("", text).replace("\xad", "")
    return text


def _cut(text: str, rest: str) -> tuple[str, str]:
    """Return the whole lines of `text`, or the part of a very long one, and what is left."""
    end = text.rfind("\n") + 1
    if not end and len(text) > LONGEST_LINE:
        white = _LAST_WHITE.search(text, len(text) - (1 << 16))
        end = white.start() if white else len(text)
    return text[:end], text[end:] + rest
