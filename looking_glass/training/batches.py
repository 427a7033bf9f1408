"""Blocks of the training text, drawn at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from looking_glass.text.corpus import Tokens


class Batches:
    """Random blocks of the training text, from a generator of their own."""

    def __init__(self, tokens: Tokens, *, block_size: int, batch_size: int, seed: int) -> None:
        self._tokens = torch.from_numpy(tokens.astype(np.int64))
        self._offsets = torch.arange(block_size + 1)
        self._batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return inputs and targets, each (B, T): a target is the token after its input."""
        last_start = len(self._tokens) - len(self._offsets)
        starts = torch.randint(last_start + 1, (self._batch_size, 1), generator=self.generator)
        blocks = self._tokens[starts + self._offsets]  # (B, T + 1)
        return blocks[:, :-1], blocks[:, 1:]
