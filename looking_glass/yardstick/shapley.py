"""What each word is worth, and how well an order of words can do: exactly, from all 2^n sets.

`values` (..., 2^n) hold a number for every set of n words: set s holds word i where its bit i is 1.

A word's Shapley value is what it adds to the sets that it joins, over all orders in which the words
may come; together they add up to v(all) - v(none). Source: Shapley 1953; Lundberg & Lee 2017.

An order of the words is judged by taking them away one after the other, the most important first
(comprehensiveness: what the choice loses), or by bringing them back in that order (sufficiency:
what it still lacks), each averaged over the steps (DeYoung et al. 2020; AOPC: Samek et al. 2017).
What these can be at all depends on the context, so each is given between the worst order and the
best one of this very context: 0 to 1 (Edin et al. 2025). Both walk from one end to the other
through sets of n, n - 1, …, 0 words, so that the same two walks bound both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def n_words(values: Tensor) -> int:
    """Return n, for `values` (..., 2^n)."""
    n = values.shape[-1].bit_length() - 1
    if values.shape[-1] != 2**n or n < 1:
        raise ValueError(f"a number for each of 2^n sets is required, got {values.shape[-1]}")
    return n


def members(n: int) -> Tensor:
    """Return which words each set holds: (2^n, n), bool."""
    return (torch.arange(2**n)[:, None] >> torch.arange(n)) % 2 == 1


def shapley_values(values: Tensor) -> Tensor:
    """Return each word's Shapley value: (..., 2^n) → (..., n), in float64."""
    n = n_words(values)
    values = values.double()
    sizes = members(n).sum(dim=1)  # (2^n,)
    shares = [1 / (n * math.comb(n - 1, size)) for size in range(n)]
    weights = torch.tensor(shares, dtype=torch.float64)
    found = []
    for word in range(n):
        without = (torch.arange(2**n) >> word) % 2 == 0
        joined = values[..., ~without] - values[..., without]  # (..., 2^(n - 1))
        found.append(joined @ weights[sizes[without]])
    return torch.stack(found, dim=-1)


@dataclass(frozen=True, kw_only=True)
class Walks:
    """The least and the largest sum of values over all walks from the full set to the empty one.

    Of n sets each: what is left after the first, the second, … the last word was taken away.
    """

    least: Tensor  # (...)
    largest: Tensor  # (...)


def extreme_walks(values: Tensor) -> Walks:
    """Return both extremes over all n! orders, by dynamic programming over sets: exact."""
    n = n_words(values)
    values = values.double()
    found = []
    for pick in (torch.amin, torch.amax):
        # best[s]: the extreme sum over walks that go on from set s, s itself left out.
        best = torch.zeros_like(values)
        sizes = members(n).sum(dim=1)
        for size in range(1, n + 1):
            sets = (sizes == size).nonzero()[:, 0]
            inside = members(n)[sets].nonzero()[:, 1].view(len(sets), size)
            smaller = sets[:, None] - 2**inside  # (sets, size): one word less
            best[..., sets] = pick(values[..., smaller] + best[..., smaller], dim=-1)
        found.append(best[..., -1])
    return Walks(least=found[0], largest=found[1])


def walk(values: Tensor, order: Tensor, *, keep: bool) -> Tensor:
    """Return the sum of values along an order of words (N, n), most important first: (N,).

    `values` (N, 2^n). Words are taken away in that order, or, where `keep`, brought back in it:
    then the walk is the reverse of the one that takes the least important away first.
    """
    if keep:
        order = order.flip(dims=(-1,))
    n = n_words(values)
    left = (2**n - 1) - (2**order).cumsum(dim=-1)  # (N, n): after the first, the second, …
    return values.double().gather(-1, left).sum(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """How well each order of words does in its context, between the worst (0) and the best (1)."""

    comprehensiveness: Tensor  # (N,)
    sufficiency: Tensor  # (N,)


def faithfulness(values: Tensor, scores: Tensor, walks: Walks | None = None) -> Faithfulness:
    """Return how well ranking words by `scores` (N, n) does: most important the largest.

    Equal scores keep the order of the words. NaN where all orders of a context are worth the same.
    """
    walks = walks or extreme_walks(values)
    order = scores.argsort(dim=-1, descending=True, stable=True)
    room = walks.largest - walks.least
    away, back = walk(values, order, keep=False), walk(values, order, keep=True)
    return Faithfulness(
        comprehensiveness=(walks.largest - away) / room, sufficiency=(back - walks.least) / room
    )
