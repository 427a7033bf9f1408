"""How attention spreads: each block's pattern, by token and by word.

The row of a token is how its position, as the query, spreads attention over itself and what came
before. The row that *predicted* a word is that of the token just before it: there the logits of
the word's first token are read off. Attention suggests a cause; taking it away tests it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.text.words import Word


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One forward pass with its attention in sight."""

    hidden: Tensor  # (B, T, C): the last LayerNorm's output, which the output layer reads
    patterns: list[Tensor]  # a block each: (B, nh, T, T)
    values: list[Tensor]  # a block each: (B, nh, T, hs), what a position gives to who attends to it


def attention_pattern(query: Tensor, key: Tensor, removed: Tensor | None = None) -> Tensor:
    """Return softmax(QKᵀ/√hs) under the causal mask: (B, nh, T, hs) twice → (B, nh, T, T).

    Row i, over the last dimension, sums to 1 and is 0 at every j > i. Edges (query, key) where
    `removed`, of a shape that broadcasts to the result's, is true get no attention; the rest of
    the row shares it. Source: Vaswani et al. 2017, equation 1. The model's own fused attention
    computes the same without keeping it.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (B, nh, T, T)
    T = scores.shape[-1]
    hidden = torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1)  # (T, T)
    if removed is not None:
        hidden = hidden | removed
    return scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)  # (B, nh, T, T)


@torch.no_grad()
def trace(
    model: GPT,
    x: Tensor,
    removed: Mapping[int, Tensor] | None = None,
    *,
    added: list[Tensor] | None = None,
) -> Trace:
    """Run input embeddings (B, T, C) through `model`, keeping each block's pattern.

    `removed` maps a block's index to the edges it loses, as in `attention_pattern`; with none the
    result is that of the plain forward pass. `added` is as in `GPT.hidden`.
    """
    patterns: list[Tensor] = []
    values: list[Tensor] = []

    def attend(block: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        pattern = attention_pattern(query, key, (removed or {}).get(block))  # (B, nh, T, T)
        patterns.append(pattern)
        values.append(value)
        return pattern @ value  # (B, nh, T, hs)

    hidden = model.hidden(x, attend, added=added)
    return Trace(hidden=hidden, patterns=patterns, values=values)


def word_pattern(pattern: Tensor, words: Sequence[Word]) -> Tensor:
    """Return attention between words from that between tokens: (T, T) → (W, W).

    A word receives the sum over its tokens, and gives the mean over its tokens' rows: rows still
    sum to 1.
    """
    received = torch.stack([pattern[:, w.start : w.stop].sum(dim=1) for w in words], dim=1)
    return torch.stack([received[w.start : w.stop].mean(dim=0) for w in words])


def entropy(row: Tensor) -> float:
    """Return the entropy in nats of a row of attention: 0 for one source, log n for n alike."""
    return float(torch.special.entr(row.double()).sum())


def mean_distance(row: Tensor) -> float:
    """Return how many positions back a row (T,) of the last position looks, on average."""
    back = torch.arange(len(row) - 1, -1, -1, dtype=torch.float64)
    return float((row.double().cpu() * back).sum())


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return how much of two distributions over the last dimension is the same: 0 to 1."""
    return torch.minimum(a, b).sum(dim=-1)
