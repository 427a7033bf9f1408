"""What of one text stands word for word in another.

A match is of consecutive tokens. Sources: Carlini et al. 2023, Quantifying memorization across
neural language models, which counts verbatim continuations; McCoy et al. 2023, How much do language
models copy from their training data?, which counts n-grams of sampled text.

The text is read once for all that is looked for, a piece at a time, and never sampled: what is said
not to stand in it stands nowhere in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from looking_glass.text.corpus import Tokens
from looking_glass.text.counting import PIECE, pieces

Integers = npt.NDArray[np.int64]
BASE = 2**16  # above every token
SLOTS = 20  # bits: of a table of a megabyte, which a processor holds near


def match_lengths(samples: Sequence[Sequence[int]], text: Tokens) -> list[list[int]]:
    """Return for each token of each sample the length of the longest match that begins with it.

    It ends in the sample. [[1, 2, 9]] in the text [5, 1, 2, 3] → [[2, 1, 0]].
    """
    tree = _Beginnings(samples)
    for piece in pieces(text, overlap=max(map(len, samples), default=0)):
        tree.find_in(piece)
    lengths = iter(tree.lengths().tolist())
    return [[next(lengths) for _ in sample] for sample in samples]


class _Beginnings:
    """Everything that begins at a token of some samples, as a tree: level n has n tokens each.

    A node of level n is a number, its place among the keys there. A key is the node of the level
    before, and the token that was added.
    """

    def __init__(self, samples: Sequence[Sequence[int]]) -> None:
        joined = np.array([token for sample in samples for token in sample], dtype=np.int64)
        # How many tokens each has before its sample ends, itself included.
        self._left = np.array([n for s in samples for n in range(len(s), 0, -1)], dtype=np.int64)
        self._keys: list[Integers] = []
        self._node_of: list[tuple[Integers, Integers]] = []  # which tokens begin one, and which
        self._found: list[npt.NDArray[np.bool_]] = []
        self._slots: list[npt.NDArray[np.bool_]] = []  # which a key of the level may be in
        begun, nodes = np.arange(len(joined)), np.zeros(len(joined), dtype=np.int64)
        for level in range(max(map(len, samples), default=0)):
            alive = self._left[begun] > level
            begun, nodes = begun[alive], nodes[alive]
            keys, nodes = np.unique(nodes * BASE + joined[begun + level], return_inverse=True)
            self._keys.append(keys)
            self._node_of.append((begun, nodes))
            self._found.append(np.zeros(len(keys), dtype=np.bool_))
            slots = np.zeros(2**SLOTS, dtype=np.bool_)
            slots[_slot(keys)] = True
            self._slots.append(slots)

    def find_in(self, piece: Tokens) -> None:
        """Mark what stands in `piece`, a match at each of its places being followed to its end."""
        if not self._keys:
            return
        first = np.full(BASE, -1, dtype=np.int64)
        first[self._keys[0]] = np.arange(len(self._keys[0]))
        nodes = first[piece]
        places = np.flatnonzero(nodes >= 0)
        nodes = nodes[places]
        self._found[0][nodes] = True
        for level in range(1, len(self._keys)):
            inside = places + level < len(piece)
            places, nodes = places[inside], nodes[inside]
            wanted, keys = nodes * BASE + piece[places + level], self._keys[level]
            # Most keys are not there, which the slots tell at once; the rest is searched for.
            perhaps = np.flatnonzero(self._slots[level][_slot(wanted)])
            places, wanted = places[perhaps], wanted[perhaps]
            at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            there = keys[at] == wanted
            places, nodes = places[there], at[there]
            if not len(places):
                return
            self._found[level][nodes] = True

    def lengths(self) -> Integers:
        """Return for each token of the samples, one after the other, how far it was found."""
        lengths = np.zeros(len(self._left), dtype=np.int64)
        for (begun, nodes), found in zip(self._node_of, self._found, strict=True):
            lengths[begun] += found[nodes]
        return lengths


def _slot(keys: Integers) -> Integers:
    """Return a number below 2^SLOTS for each key, by multiplying: Knuth, vol. 3, section 6.4."""
    mixed = keys.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(64 - SLOTS)
    return mixed.view(np.int64)


def run_lengths(samples: Sequence[Sequence[int]], text: Tokens) -> list[list[int]]:
    """Return for each token of each sample the length of the longest match that it is part of."""
    found = []
    for sample, begun in zip(samples, match_lengths(samples, text), strict=True):
        longest = [0] * len(sample)
        for start, length in enumerate(begun):
            for place in range(start, start + length):
                longest[place] = max(longest[place], length)
        found.append(longest)
    return found


@dataclass(frozen=True, kw_only=True)
class Copied:
    """How much of some sampled texts stands in the training text."""

    longest_run: int  # tokens of the longest match in any of them
    ngram_share: float  # of all their n-grams, counted as often as they came; 0.0 of none


def copied(samples: Sequence[Sequence[int]], text: Tokens, n: int) -> Copied:
    """Return the longest match of any sample, and the share of their n-grams that `text` holds."""
    lengths = match_lengths(samples, text)
    begun = [
        length for one in lengths for length in one[: len(one) - n + 1 if len(one) >= n else 0]
    ]
    return Copied(
        longest_run=max((max(one, default=0) for one in lengths), default=0),
        ngram_share=sum(length >= n for length in begun) / len(begun) if begun else 0.0,
    )


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the end of a context stands in a text."""

    length: int  # tokens of the longest end of the context that occurs there with a successor
    counts: dict[int, int]  # what follows it there, most frequent first


def provenance(context: Sequence[int], text: Tokens) -> Provenance:
    """Return the longest end of `context` that `text` holds, and what follows it there."""
    longest, total = 0, np.zeros(BASE, dtype=np.int64)
    for first in range(1, len(text), PIECE):
        # Positions of successors, while no token is asked for.
        follows, length = np.arange(first, min(first + PIECE, len(text))), 0
        for token in reversed(context):
            # follows - length - 1 is where the next token back would have to stand.
            at = follows[follows > length]
            kept = at[text[at - length - 1] == token]
            if not len(kept):
                break
            follows, length = kept, length + 1
        if length > longest:
            longest, total = length, np.zeros_like(total)
        if length == longest:
            total += np.bincount(text[follows], minlength=BASE)
    tokens = np.flatnonzero(total)
    order = tokens[np.argsort(-total[tokens], kind="stable")]
    return Provenance(length=longest, counts={int(token): int(total[token]) for token in order})
