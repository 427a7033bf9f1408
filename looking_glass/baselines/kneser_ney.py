"""Interpolated Kneser–Ney n-grams: the baselines that a transformer has to beat.

Source: Chen & Goodman 1999, An empirical study of smoothing techniques for language modeling,
section 2.7 and equation 22, with one discount an order; the unigram is interpolated with the
uniform distribution over the whole vocabulary, so that no token has probability 0.

A gram is one integer here, its tokens being the digits of a number in base V: the grams of a text
are counted by sorting an array. Its last digit is its last token, so that gram // V is its history.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from looking_glass.text.corpus import Corpus
from looking_glass.text.sample import Text, sample_runs

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
ORDERS = {"unigram": 1, "bigram": 2, "trigram": 3}
# Of a longer training text, n-grams are counted on so many tokens: to sort the trigrams of these
# takes a second or two, and half a gigabyte.
COUNTED = 10_000_000


class KneserNey:
    """p(token | the `order - 1` tokens before it), estimated from one training text."""

    def __init__(self, text: Text | Sequence[int], *, order: int, vocab_size: int) -> None:
        """Count `text`, or a tuple of its runs; no gram goes from one run of it into the next.

        Raises `ValueError` for an order below 1, or one whose grams 64 bits cannot number.
        """
        if order < 1:
            raise ValueError(f"order must be at least 1, got {order}")
        if vocab_size**order > 2**63:
            raise ValueError(
                f"grams of {order} tokens must have numbers below 2**63, those of a vocabulary of "
                f"{vocab_size} have not: take a lower order"
            )
        self.order = order
        self.vocab_size = vocab_size
        self._tables = [
            _Table(grams, counts, vocab_size)
            for grams, counts in _counts_by_order(_runs(text), order, vocab_size)
        ]

    def prob(self, context: Sequence[int], token: int) -> float:
        """Return p(token | context); of a longer context only the last `order - 1` tokens count."""
        tokens = np.array([*context, token], dtype=np.int64)
        return float(self._probs(tokens, np.array([len(context)]))[0])

    def losses_at(self, text: npt.NDArray[np.integer], places: Sequence[int]) -> list[float]:
        """Return -log p, in nats, of the token at each of `places` given those before it."""
        return [-math.log(p) for p in self._probs(text, np.array(places, dtype=np.int64)).tolist()]

    def losses_after(self, texts: Sequence[Sequence[int]], n_first: int) -> Floats:
        """Return -log p in nats of all tokens of `texts` but the first `n_first` of each, joined.

        No token is given those of the text before.
        """
        lengths = np.array([len(text) for text in texts])
        joined = np.fromiter(itertools.chain.from_iterable(texts), np.int64, int(lengths.sum()))
        begins = np.repeat(np.cumsum(lengths) - lengths, lengths)  # of the text that each is in
        places = np.flatnonzero(np.arange(len(joined)) - begins >= n_first)
        losses: Floats = -np.log(self._probs(joined, places, begins[places]))
        return losses

    def mean_loss(self, text: Text | Sequence[int]) -> float:
        """Return the mean of -log p, in nats a token, over all tokens but the first of each run."""
        losses: list[float] = []
        for run in _runs(text):
            if len(run) < 2:
                raise ValueError(f"at least 2 tokens are required to score one, got {len(run)}")
            losses += self.losses_at(run, range(1, len(run)))
        return sum(losses) / len(losses)

    def _probs(
        self, text: npt.NDArray[np.integer], places: Integers, begins: Integers | int = 0
    ) -> Floats:
        """Return p of the token at each of `places` given those since `begins`: (N,)."""
        p = np.full(len(places), 1.0 / self.vocab_size)
        for n, table in enumerate(self._tables):
            known = places - begins >= n  # where there are n tokens before
            at = places[known]
            # The gram of the n tokens before and the one at the place itself: (N,).
            grams = _packed([text[at - back] for back in range(n, -1, -1)], self.vocab_size)
            p[known] = table.interpolate(grams, p[known])
        return p


def _runs(text: Text | Sequence[int]) -> list[npt.NDArray[np.integer]]:
    return [np.asarray(run) for run in (text if isinstance(text, tuple) else (text,))]


class _Table:
    """One order: max(c - D, 0) / c(history) + weight(history) · p of the order below."""

    def __init__(self, grams: Integers, counts: Integers, vocab_size: int) -> None:
        """Take distinct grams in ascending order, and how often each counts."""
        self._grams, self._counts, self._vocab_size = grams, counts, vocab_size
        self._histories, first, self._distinct = np.unique(
            grams // vocab_size, return_index=True, return_counts=True
        )
        self._totals = np.add.reduceat(counts, first) if len(first) else counts
        once, twice = (int((counts == times).sum()) for times in (1, 2))
        # Ney's estimate from how many grams were seen once and twice. With none seen once it would
        # be 0, and so would the probability of whatever is new: then one half.
        self._discount = once / (once + 2 * twice) if once else 0.5

    def interpolate(self, grams: Integers, lower: Floats) -> Floats:
        """Return p of each gram's last token after its history; `lower` is that of one less."""
        place, known = _find(self._histories, grams // self._vocab_size)
        if not known.any():
            return lower
        at, seen = _find(self._grams, grams)
        discounted = np.maximum(np.where(seen, self._counts[at], 0) - self._discount, 0.0)
        left_over = self._discount * self._distinct[place]
        return np.where(known, (discounted + left_over * lower) / self._totals[place], lower)


def _find(ascending: Integers, wanted: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Return where each of `wanted` stands, and whether it does; else the place means nothing."""
    if not len(ascending):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=np.bool_)
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return place, ascending[place] == wanted


def _packed(digits: Sequence[npt.NDArray[np.integer]], vocab_size: int) -> Integers:
    """Return grams as integers, from arrays of all their first tokens, all their second ones, …."""
    grams = np.zeros(len(digits[0]), dtype=np.int64)
    for tokens in digits:
        grams *= vocab_size
        grams += tokens
    return grams


def _counts_by_order(
    runs: Sequence[npt.NDArray[np.integer]], order: int, vocab_size: int
) -> list[tuple[Integers, Integers]]:
    """Return, from unigrams up, the grams and the counts that each order is estimated from.

    The highest order counts occurrences. Each lower one counts in how many different contexts a
    gram was seen: " Francisco" is frequent, and yet follows little but " San".
    """
    grams = np.concatenate(
        [
            _packed([run[i : len(run) - order + 1 + i] for i in range(order)], vocab_size)
            for run in runs
            if len(run) >= order
        ]
        or [np.empty(0, dtype=np.int64)]
    )
    found = [np.unique(grams, return_counts=True)]
    for length in range(order - 1, 0, -1):
        without_first = found[-1][0] % vocab_size**length
        found.append(np.unique(without_first, return_counts=True))
    return found[::-1]


def baseline_losses(corpus: Corpus, val: Text) -> dict[str, float]:
    """Return the loss on `val` of each of `ORDERS`, counted on the training text: nats/token.

    Of a long training text, on `COUNTED` tokens of it.
    """
    train = sample_runs(corpus.train, COUNTED)
    return {
        name: KneserNey(train, order=order, vocab_size=corpus.vocab_size).mean_loss(val)
        for name, order in ORDERS.items()
    }


def trigram_of(corpus: Corpus) -> KneserNey:
    """Return the trigram of the training text, or of the sample that stands for a long one."""
    return KneserNey(sample_runs(corpus.train, COUNTED), order=3, vocab_size=corpus.vocab_size)


def trigram_loss_at(corpus: Corpus, places: Sequence[int]) -> float:
    """Return the trigram's mean loss on the validation tokens at `places`, in nats/token."""
    return sum(trigram_of(corpus).losses_at(corpus.val, places)) / len(places)
