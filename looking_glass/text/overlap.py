"""Which parts of a text stand word for word in another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from looking_glass.text.corpus import Tokens


def run_lengths(tokens: Sequence[int], text: Tokens) -> list[int]:
    """Return for each of `tokens` the length of the longest run through it that `text` holds.

    A run is of consecutive tokens; 0 where a token itself is not in the text.
    """
    read = np.asarray(text)
    longest = [0] * len(tokens)
    for start in range(len(tokens)):
        length = _match(tokens[start:], read)
        for place in range(start, start + length):
            longest[place] = max(longest[place], length)
    return longest


def _match(tokens: Sequence[int], read: npt.NDArray[np.uint16]) -> int:
    """Return how many of `tokens`, from the first on, stand somewhere in `read` in a row."""
    places = np.arange(len(read))
    for length, token in enumerate(tokens):
        places = places[places + length < len(read)]
        places = places[read[places + length] == token]
        if not len(places):
            return length
    return len(tokens)
