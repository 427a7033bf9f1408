"""The tokens that a model trains on, and those that are held out, as they lie on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from looking_glass.pipeline.artifacts import read_json, write_json

Tokens = npt.NDArray[np.uint16]


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
    """Return the corpus in `directory`, its tokens memory-mapped and read-only."""
    train, val = _map(directory / "train.bin"), _map(directory / "val.bin")
    return Corpus(train=train, val=val, **read_json(directory / "meta.json"))


def _map(path: Path) -> Tokens:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.empty(0, dtype=np.uint16)
    return np.memmap(path, dtype="<u2", mode="r")
