"""Interpolated Kneser–Ney n-grams: the baselines that a transformer has to beat.

Source: Chen & Goodman 1999, An empirical study of smoothing techniques for language modeling,
section 2.7 and equation 22, with one discount an order; the unigram is interpolated with the
uniform distribution over the whole vocabulary, so that no token has probability 0.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from looking_glass.text.corpus import Corpus

Gram = tuple[int, ...]
ORDERS = {"unigram": 1, "bigram": 2, "trigram": 3}


class KneserNey:
    """p(token | the `order - 1` tokens before it), estimated from one training text."""

    def __init__(self, tokens: Sequence[int], *, order: int, vocab_size: int) -> None:
        """Count `tokens`. Raises `ValueError` for an order below 1."""
        if order < 1:
            raise ValueError(f"order must be at least 1, got {order}")
        self.order = order
        self.vocab_size = vocab_size
        self._tables = [_Table(counts) for counts in _counts_by_order(tokens, order)]

    def prob(self, context: Sequence[int], token: int) -> float:
        """Return p(token | context); of a longer context only the last `order - 1` tokens count."""
        p = 1.0 / self.vocab_size
        for n, table in enumerate(self._tables):
            if n > len(context):
                break
            history = tuple(context[len(context) - n :])
            p = table.interpolate(history, token, p)
        return p

    def loss_at(self, tokens: Sequence[int], place: int) -> float:
        """Return -log p, in nats, of the token at `place` given those before it."""
        context = tokens[max(0, place - self.order + 1) : place]
        return -math.log(self.prob(context, tokens[place]))

    def mean_loss(self, tokens: Sequence[int]) -> float:
        """Return the mean of -log p, in nats a token, over all of `tokens` but the first."""
        if len(tokens) < 2:
            raise ValueError(f"at least 2 tokens are required to score one, got {len(tokens)}")
        total = sum(self.loss_at(tokens, place) for place in range(1, len(tokens)))
        return total / (len(tokens) - 1)


class _Table:
    """One order: max(c - D, 0) / c(history) + weight(history) · p of the order below."""

    def __init__(self, counts: Counter[Gram]) -> None:
        self._counts = counts
        self._totals: defaultdict[Gram, int] = defaultdict(int)
        self._distinct: defaultdict[Gram, int] = defaultdict(int)
        for gram, count in counts.items():
            self._totals[gram[:-1]] += count
            self._distinct[gram[:-1]] += 1
        seen = Counter(counts.values())
        # Ney's estimate from how many grams were seen once and twice. With none seen once it would
        # be 0, and so would the probability of whatever is new: then one half.
        self._discount = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5

    def interpolate(self, history: Gram, token: int, lower: float) -> float:
        total = self._totals.get(history, 0)
        if not total:
            return lower
        discounted = max(self._counts.get((*history, token), 0) - self._discount, 0.0)
        left_over = self._discount * self._distinct[history]
        return (discounted + left_over * lower) / total


def _counts_by_order(tokens: Sequence[int], order: int) -> list[Counter[Gram]]:
    """Return, from unigrams up, the counts each order is estimated from.

    The highest order counts occurrences. Each lower one counts in how many different contexts a
    gram was seen: " Francisco" is frequent, and yet follows little but " San".
    """
    highest = Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))
    tables = [highest]
    for _ in range(order - 1):
        tables.append(Counter(gram[1:] for gram in tables[-1]))
    return tables[::-1]


def baseline_losses(corpus: Corpus) -> dict[str, float]:
    """Return the validation loss of each of `ORDERS`, counted on the training text: nats/token."""
    train, val = corpus.train.tolist(), corpus.val.tolist()
    return {
        name: KneserNey(train, order=order, vocab_size=corpus.vocab_size).mean_loss(val)
        for name, order in ORDERS.items()
    }


def trigram_loss_at(corpus: Corpus, places: Sequence[int]) -> float:
    """Return the trigram's mean loss on the validation tokens at `places`, in nats/token."""
    model = KneserNey(corpus.train.tolist(), order=3, vocab_size=corpus.vocab_size)
    val = corpus.val.tolist()
    return sum(model.loss_at(val, place) for place in places) / len(places)
