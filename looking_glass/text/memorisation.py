"""How much of what a model writes is copied: runs of sampled tokens that stand in its text.

Pure functions on lists of tokens. A run is of consecutive tokens and lies in one sampled sequence.
Source: Carlini et al. 2023, Quantifying memorization across neural language models, which counts
verbatim continuations; McCoy et al. 2023, How much do language models copy from their training
data?, which counts n-grams of sampled text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain, islice

Gram = tuple[int, ...]


def ngrams(tokens: Sequence[int], n: int) -> Iterator[Gram]:
    """Yield every n consecutive tokens: [1, 2, 3], n = 2 → (1, 2), (2, 3)."""
    return zip(*(islice(tokens, start, None) for start in range(n)), strict=False)


def verbatim_share(samples: Sequence[Sequence[int]], text: Sequence[int], n: int) -> float:
    """Return the share of the n-grams of all `samples` that occur in `text`; 0.0 if there is none.

    An n-gram that was sampled twice counts twice.
    """
    sampled = list(chain.from_iterable(ngrams(sample, n) for sample in samples))
    if not sampled:
        return 0.0
    copied = set(sampled).intersection(ngrams(text, n))
    return sum(gram in copied for gram in sampled) / len(sampled)


def longest_verbatim_run(samples: Sequence[Sequence[int]], text: Sequence[int]) -> int:
    """Return the length in tokens of the longest run of a sample that occurs in `text`.

    Where a run occurs, every part of it does: so the length is found by bisection.
    """
    lengths = range(1, max(map(len, samples), default=0) + 1)
    return bisect_left(lengths, True, key=lambda n: verbatim_share(samples, text, n) == 0)
