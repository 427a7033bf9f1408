"""A book encoded piece by piece, written as it comes, and then parted in two."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from looking_glass.text.counting import Counts
from looking_glass.text.params import HeldOut
from looking_glass.text.tokenizer import Tokenizer

Array = npt.NDArray[np.uint32]
AT_ONCE = 8  # pieces that are in memory
COPIED = 1 << 22  # bytes copied at once


class Meter:
    """Passes pieces of a text on, and measures them."""

    def __init__(self, shown: int) -> None:
        """Show so many characters of either end."""
        self.shown, self.first, self.last = shown, "", ""
        self.n_bytes = 0  # of UTF-8
        self.n_characters = 0
        self.n_words = 0  # separated by white space

    def through(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield each piece as it is."""
        for piece in pieces:
            if len(self.first) < self.shown:
                self.first = (self.first + piece)[: self.shown]
            self.last = (self.last + piece[-self.shown :])[-self.shown :]
            self.n_bytes += len(piece.encode())
            self.n_characters += len(piece)
            self.n_words += len(piece.split())
            yield piece

    @property
    def first_words(self) -> str:
        """How the text begins, in whole words where spaces part them."""
        cut = len(self.first) == self.shown
        return f"{self.first.rsplit(maxsplit=1)[0]} …" if cut else self.first

    @property
    def last_words(self) -> str:
        """How the text ends, likewise."""
        cut = len(self.last) == self.shown
        return f"… {self.last.split(maxsplit=1)[-1]}" if cut else self.last


def write_tokens(path: Path, pieces: Iterable[str], tokenizer: Tokenizer) -> Counts:
    """Write the tokens of a text that comes in pieces, as little-endian uint16.

    Returns how often each occurs: (V,).

    As many pieces are encoded side by side as there are processors, while the next ones are made;
    that changes no token.
    """
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    with ThreadPoolExecutor(_processors()) as pool, path.open("wb") as file:
        for tokens in _in_order(pool, tokenizer.encode_array, pieces):
            file.write(tokens.astype("<u2").tobytes())
            counts += np.bincount(tokens, minlength=len(counts))
    return counts


def _in_order(
    pool: Executor, function: Callable[[str], Array], pieces: Iterable[str]
) -> Iterator[Array]:
    """Yield the function's value of each piece, at most `AT_ONCE` of them begun and not yielded."""
    begun: deque[Future[Array]] = deque()
    for piece in pieces:
        begun.append(pool.submit(function, piece))
        if len(begun) == AT_ONCE:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def part(whole: Path, directory: Path, n: int, fraction: float, held_out: HeldOut) -> None:
    """Write the `n` tokens in `whole` as `train.bin` and `val.bin`, and remove it.

    The held-out `fraction` is one contiguous end of the text, so that no validation block shares
    words with a training block.
    """
    n_val = n_held_out(n, fraction)
    first, second = ("val.bin", "train.bin") if held_out == "first" else ("train.bin", "val.bin")
    cut = 2 * (n_val if held_out == "first" else n - n_val)  # bytes
    with whole.open("rb") as source:
        for name, size in ((first, cut), (second, 2 * n - cut)):
            with (directory / name).open("wb") as target:
                while size:
                    chunk = source.read(min(size, COPIED))
                    target.write(chunk)
                    size -= len(chunk)
    whole.unlink()


def n_held_out(n: int, fraction: float) -> int:
    """Return how many of `n` tokens are held out."""
    return math.ceil(round(n * fraction, 6))  # 0.1 x 70 is over 7
