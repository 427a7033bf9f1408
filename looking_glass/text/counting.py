"""How often tokens, and pairs of neighbours, stand in a text: in memory that it does not fill."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from looking_glass.text.corpus import Tokens

Counts = npt.NDArray[np.int64]
PIECE = 2**22  # tokens read at once: 32 MB as the integers that NumPy counts with


def pieces(text: Tokens, overlap: int = 0) -> Iterator[Tokens]:
    """Yield a text in pieces, each with the first `overlap` tokens of what follows it."""
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE + overlap]


def count_tokens(text: Tokens, vocab_size: int) -> Counts:
    """Return how often each token occurs: (V,)."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for piece in pieces(text):
        counts += np.bincount(piece, minlength=vocab_size)
    return counts


def _distinct(values: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return each value once, in order, `values` being sorted in place: `np.unique` is slower."""
    values.sort()
    return values[np.flatnonzero(np.diff(values, prepend=values[:1] ^ 1))]


def distinct_neighbours(text: Tokens, vocab_size: int) -> tuple[Counts, Counts]:
    """Return how many different tokens follow each token, and stand before each: (V,) twice.

    That is N1+(x·) and N1+(·x) of Kneser and Ney. The distinct pairs are held in memory, four bytes
    each, whatever the length of the text.
    """
    pairs = np.empty(0, dtype=np.uint32)
    for piece in pieces(text, overlap=1):
        packed = piece[:-1].astype(np.uint32) << np.uint32(16) | piece[1:].astype(np.uint32)
        pairs = _distinct(np.concatenate([pairs, _distinct(packed)]))
    followers = np.zeros(vocab_size, dtype=np.int64)
    before = np.zeros(vocab_size, dtype=np.int64)
    for start in range(0, len(pairs), PIECE):
        some = pairs[start : start + PIECE]
        followers += np.bincount(some >> 16, minlength=vocab_size)
        before += np.bincount(some & 0xFFFF, minlength=vocab_size)
    return followers, before
