"""Noise on the tokens that a model reads, as Kneser and Ney would smooth their counts.

A token x that occurs c(x) times, before N1+(x·) different ones, is replaced with probability
g · N1+(x·) / c(x): the less it says of what follows, the rather. What replaces it is drawn in
proportion to N1+(·y), in how many different contexts y occurs. A model that is now and then told
another token relies on more than one. Source: Xie et al. 2017, Data Noising as Smoothing in Neural
Network Language Models, section 3.4.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from looking_glass.text.corpus import Tokens
from looking_glass.text.counting import count_tokens, distinct_neighbours


class Noising:
    """Replaces tokens at random; draws from a generator of its own."""

    def __init__(self, tokens: Tokens, *, vocab_size: int, share: float, seed: int) -> None:
        """Count the training text; `share` is g."""
        followers, before = distinct_neighbours(tokens, vocab_size)
        rate = share * followers / np.maximum(count_tokens(tokens, vocab_size), 1)
        self.rate = torch.from_numpy(rate).float()  # (V,)
        self.cumulative = torch.from_numpy(before.cumsum())  # (V,)
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Return `tokens` of any shape, some of them replaced."""
        replaced = torch.rand(tokens.shape, generator=self.generator) < self.rate[tokens]
        total = int(self.cumulative[-1])
        drawn = torch.randint(total, tokens.shape, generator=self.generator)
        others = torch.searchsorted(self.cumulative, drawn, right=True)
        return torch.where(replaced, others, tokens)
