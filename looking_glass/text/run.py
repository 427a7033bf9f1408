"""What the stage `encode` does, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from looking_glass.pipeline.errors import InputError
from looking_glass.text.cleaning import cleaned
from looking_glass.text.corpus import write_meta
from looking_glass.text.counting import Counts, count_tokens
from looking_glass.text.encoded import Meter, part, write_tokens
from looking_glass.text.paragraphs import Joiner
from looking_glass.text.params import EncodeParams
from looking_glass.text.plan import plan
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.text.told import Remains, told

SHOWN = 80  # characters of the text's first and last words


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What was written, in numbers."""

    train: Counts  # (V,) how often each token occurs
    val: Counts  # (V,)
    n_bytes: int  # of the cleaned text in UTF-8
    told: pd.DataFrame  # what was done to the text: see `told`

    @property
    def n_tokens(self) -> int:
        """Tokens of the whole text."""
        return int(self.train.sum() + self.val.sum())


def encode_book(book: Path, tokenizer: Tokenizer, params: EncodeParams, directory: Path) -> Encoded:
    """Write the tokens of a book's file into `directory`, as `read_corpus` reads them.

    The text is read, cleaned and encoded some of it at a time: memory does not grow with it. Raises
    `InputError` where the file holds no text as `params` ask.
    """
    what = plan(book, params)
    joiner, meter, remains = Joiner(rule=what.rule), Meter(SHOWN), Remains()
    pieces = meter.through(remains.through(cleaned(book, params, what.spans, joiner)))
    whole = directory / "whole.bin"
    counts = write_tokens(whole, pieces, tokenizer)
    n = int(counts.sum())
    if not n:
        raise InputError(f"{book}: no text is left after cleaning: check encode's settings")
    part(whole, directory, n, params.validation_fraction, params.held_out)
    held_out = np.memmap(directory / "val.bin", dtype="<u2", mode="r")
    val = count_tokens(held_out, len(counts))
    lengths = np.array([len(content) for content in tokenizer.token_bytes()])
    val_bytes = int(val @ lengths - lengths[held_out[0]])  # its first token is not scored
    write_meta(directory, vocab_size=len(counts), val_bytes=val_bytes)
    return Encoded(
        train=counts - val,
        val=val,
        n_bytes=meter.n_bytes,
        told=told(what, params, joiner, meter, remains, n_tokens=n),
    )
