"""What of one text stands word for word in another.

A match is of consecutive tokens. Sources: Carlini et al. 2023, Quantifying memorization across
neural language models, which counts verbatim continuations; McCoy et al. 2023, How much do language
models copy from their training data?, which counts n-grams of sampled text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from looking_glass.text.corpus import Tokens


def match_lengths(tokens: Sequence[int], text: Tokens) -> list[int]:
    """Return for each of `tokens` the length of the longest match that begins with it.

    [1, 2, 9] in the text [5, 1, 2, 3] → [2, 1, 0].
    """
    read = np.asarray(text)
    return [_match(tokens[start:], read) for start in range(len(tokens))]


def _match(tokens: Sequence[int], read: npt.NDArray[np.uint16]) -> int:
    """Return how many of `tokens`, from the first on, stand somewhere in `read` in a row."""
    places = np.arange(len(read))
    for length, token in enumerate(tokens):
        places = places[places + length < len(read)]
        places = places[read[places + length] == token]
        if not len(places):
            return length
    return len(tokens)


def run_lengths(tokens: Sequence[int], text: Tokens) -> list[int]:
    """Return for each of `tokens` the length of the longest match that it is part of."""
    longest = [0] * len(tokens)
    for start, length in enumerate(match_lengths(tokens, text)):
        for place in range(start, start + length):
            longest[place] = max(longest[place], length)
    return longest


@dataclass(frozen=True, kw_only=True)
class Copied:
    """How much of some sampled texts stands in the training text."""

    longest_run: int  # tokens of the longest match in any of them
    ngram_share: float  # of all their n-grams, counted as often as they came; 0.0 of none


def copied(samples: Sequence[Sequence[int]], text: Tokens, n: int) -> Copied:
    """Return the longest match of any sample, and the share of their n-grams that `text` holds."""
    lengths = [match_lengths(sample, text) for sample in samples]
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
    read = np.asarray(text)
    follows = np.arange(1, len(read))  # positions of successors, while no token is asked for
    length = 0
    for token in reversed(context):
        # follows - length - 1 is where the next token back would have to stand.
        at = follows[follows > length]
        kept = at[read[at - length - 1] == token]
        if not len(kept):
            break
        follows, length = kept, length + 1
    tokens, counts = np.unique(read[follows], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Provenance(length=length, counts={int(tokens[i]): int(counts[i]) for i in order})
