"""From the bytes of a book to the tokens that a model trains on."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from looking_glass.pipeline.artifacts import read_json, write_json
from looking_glass.pipeline.errors import InputError, shorten
from looking_glass.pipeline.params import Section

Tokens = npt.NDArray[np.uint16]
LEAST = 2  # tokens of a part: one to predict, after one
_ENCODE_AGAIN = "make data/tokens again: dvc repro -f -s encode"

_PG_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.*$", re.M | re.I)
_PG_END = re.compile(
    r"^(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg).*",
    re.M | re.I,
)
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


class EncodeParams(Section):
    """Section `encode`."""

    unwrap: bool
    start_at: str | None
    stop_before: str | None
    validation_fraction: float = Field(gt=0, lt=1)
    held_out: Literal["last", "first"]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The encoded book, split in two contiguous parts."""

    train: Tokens  # (n_train,)
    val: Tokens  # (n_val,)
    vocab_size: int  # of the encoder: the tokens are below it
    val_bytes: int  # length in UTF-8 of what a model is scored on: all of `val` but its first token


def decode_text(content: bytes, *, what: str) -> str:
    """Return `content` read as UTF-8, without a byte-order mark, lines ended by line feeds.

    Raises `InputError`, naming `what`, when it is not UTF-8 or holds no text.
    """
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what}: must be UTF-8 text, but byte {error.start} (0x{content[error.start]:02x}) is "
            "not: convert it first, for instance with iconv -f latin1 -t utf-8"
        ) from None
    if not text.strip():
        raise InputError(f"{what}: must hold text, but has none in its {len(content)} bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def strip_gutenberg(text: str) -> str:
    """Return `text` without Project Gutenberg's header and end marker; other text as it is."""
    if start := _PG_START.search(text):
        text = text[start.end() :]
    if end := _PG_END.search(text):
        text = text[: end.start()]
    return text.strip("\n")


def cut(text: str, *, start_at: str | None, stop_before: str | None) -> str:
    """Return `text` from the line that begins with `start_at` up to the one with `stop_before`.

    A line's indentation does not count. None leaves that end as it is. The first line that begins
    so starts the text and the last one ends it. Raises `InputError` when there is no such line.
    """
    if start_at is not None:
        text = text[_line_beginning(text, start_at, "start_at", last=False) :]
    if stop_before is not None:
        text = text[: _line_beginning(text, stop_before, "stop_before", last=True)]
    return text.strip("\n")


def _line_beginning(text: str, words: str, key: str, *, last: bool) -> int:
    found = list(re.finditer(rf"^[^\S\n]*{re.escape(words)}", text, re.M))
    if not found:
        raise InputError(
            f"encode.{key}: a line that begins with {words!r} is required, the text has none: "
            "correct it, or write null to keep the text whole"
        )
    return found[-1 if last else 0].start()


def unwrap(text: str) -> str:
    """Return `text` with each paragraph on one line and one blank line between paragraphs.

    Runs of white space inside a paragraph become one space: a book's line ends and indentation
    are its typesetting, and would otherwise be a fifth of what the model learns.
    """
    return "\n\n".join(" ".join(p.split()) for p in _BLANK_LINES.split(text.strip()) if p.strip())


def clean(content: bytes, params: EncodeParams, *, what: str) -> str:
    """Return the text in a book's bytes as `params` ask; raise `InputError` if none is left."""
    text = strip_gutenberg(decode_text(content, what=what))
    text = cut(text, start_at=params.start_at, stop_before=params.stop_before)
    text = unwrap(text) if params.unwrap else text
    if not text.strip():
        raise InputError(f"{what}: no text is left after cleaning: check encode's settings")
    return text


def split(
    tokens: list[int], fraction: float, held_out: Literal["last", "first"] = "last"
) -> tuple[Tokens, Tokens]:
    """Return the part to train on and the `fraction` of `tokens` at one end, both as uint16.

    Contiguous, so that no validation block shares words with a training block.
    """
    n_val = math.ceil(round(len(tokens) * fraction, 6))  # 0.1 x 70 is over 7
    array = np.array(tokens, dtype=np.uint16)
    if held_out == "first":
        return array[n_val:], array[:n_val]
    return array[: len(array) - n_val], array[len(array) - n_val :]


def check_parts(corpus: Corpus, fraction: float) -> None:
    """Raise `InputError` unless a token can be predicted in each part of the text."""
    if min(len(corpus.train), len(corpus.val)) < LEAST:
        n = len(corpus.train) + len(corpus.val)
        raise InputError(
            f"encode.validation_fraction: at least {LEAST} tokens to train on and {LEAST} held out "
            f"are required, {fraction:g} of the text's {n} tokens leaves "
            f"{len(corpus.train)} and {len(corpus.val)}: change it or take a longer text"
        )


def write_corpus(directory: Path, corpus: Corpus) -> None:
    """Write `train.bin` and `val.bin`, little-endian uint16 and nothing else, and `meta.json`."""
    corpus.train.astype("<u2").tofile(directory / "train.bin")
    corpus.val.astype("<u2").tofile(directory / "val.bin")
    meta = {"vocab_size": corpus.vocab_size, "val_bytes": corpus.val_bytes}
    write_json(directory / "meta.json", meta)


def read_corpus(directory: Path) -> Corpus:
    """Return the corpus in `directory`, its tokens memory-mapped and read-only.

    Raises `InputError`, naming the file, when one is missing or damaged.
    """
    try:
        meta = read_json(directory / "meta.json")
        train, val = _map(directory / "train.bin"), _map(directory / "val.bin")
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is not there: {_ENCODE_AGAIN}") from None
    sizes = ("vocab_size", "val_bytes")
    if sorted(meta) != sorted(sizes) or any(type(meta[key]) is not int for key in sizes):
        raise InputError(
            f"{directory / 'meta.json'}: the whole numbers {' and '.join(sizes)} are required, got "
            f"{shorten(str(meta))}: {_ENCODE_AGAIN}"
        )
    for path, tokens in ((directory / "train.bin", train), (directory / "val.bin", val)):
        _check_ids(path, tokens, meta["vocab_size"])
    return Corpus(train=train, val=val, **meta)


def _map(path: Path) -> Tokens:
    size = path.stat().st_size
    if size % 2:
        raise InputError(
            f"{path}: two bytes a token are required, got {size} bytes: {_ENCODE_AGAIN}"
        )
    if size < 2 * LEAST:
        raise InputError(
            f"{path}: at least {LEAST} tokens are required, got {size // 2}: {_ENCODE_AGAIN}"
        )
    return np.memmap(path, dtype="<u2", mode="r")


def _check_ids(path: Path, tokens: Tokens, vocab_size: int) -> None:
    """Raise `InputError` unless every token is below `vocab_size`: 0.1 s for 250 million."""
    largest = int(tokens.max())
    if largest >= vocab_size:
        raise InputError(
            f"{path}: tokens below {vocab_size}, meta.json's vocab_size, are required, got "
            f"{largest}: {_ENCODE_AGAIN}"
        )


def unseen_rate(corpus: Corpus) -> float:
    """Return the share of validation tokens that never occur in the training part."""
    return float(np.mean(~np.isin(corpus.val, corpus.train))) if len(corpus.val) else 0.0


def rank_frequency(tokens: Tokens) -> pd.DataFrame:
    """Return a row per distinct token, most frequent first: rank (from 1), token, count."""
    counted = sorted(Counter(tokens.tolist()).items(), key=lambda item: (-item[1], item[0]))
    ids, counts = zip(*counted, strict=True) if counted else ((), ())
    return pd.DataFrame({"rank": range(1, len(ids) + 1), "token": ids, "count": counts})
