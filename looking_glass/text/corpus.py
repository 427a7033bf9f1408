"""The tokens that a model trains on, and those that are held out, as they lie on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from looking_glass.pipeline.artifacts import read_json, write_json
from looking_glass.pipeline.errors import InputError, shorten

Tokens = npt.NDArray[np.uint16]
LEAST = 2  # tokens of a part: one to predict, after one
_ENCODE_AGAIN = "make data/tokens again: dvc repro -f -s encode"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The encoded book, split in two contiguous parts."""

    train: Tokens  # (n_train,)
    val: Tokens  # (n_val,)
    vocab_size: int  # of the encoder: the tokens are below it
    val_bytes: int  # length in UTF-8 of what a model is scored on: all of `val` but its first token


def write_corpus(directory: Path, corpus: Corpus) -> None:
    """Write `train.bin` and `val.bin`, little-endian uint16 and nothing else, and `meta.json`."""
    corpus.train.astype("<u2").tofile(directory / "train.bin")
    corpus.val.astype("<u2").tofile(directory / "val.bin")
    write_meta(directory, vocab_size=corpus.vocab_size, val_bytes=corpus.val_bytes)


def write_meta(directory: Path, *, vocab_size: int, val_bytes: int) -> None:
    """Write what is to be known of the two token files in `directory`; see `Corpus`."""
    write_json(directory / "meta.json", {"vocab_size": vocab_size, "val_bytes": val_bytes})


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
    """Raise `InputError` unless every token is below `vocab_size`: 20 ms for 250 million."""
    largest = int(tokens.max())
    if largest >= vocab_size:
        raise InputError(
            f"{path}: tokens below {vocab_size}, meta.json's vocab_size, are required, got "
            f"{largest}: {_ENCODE_AGAIN}"
        )


def check_parts(n_train: int, n_val: int, fraction: float) -> None:
    """Raise `InputError` unless a token can be predicted in each part of the text."""
    if min(n_train, n_val) < LEAST:
        raise InputError(
            f"encode.validation_fraction: at least {LEAST} tokens to train on and {LEAST} held out "
            f"are required, {fraction:g} of the text's {n_train + n_val} tokens leaves {n_train} "
            f"and {n_val}: change it or take a longer text"
        )
