"""Batches without replacement: each epoch reads the text once, cut at other places."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from looking_glass.text.corpus import Tokens


class Batches:
    """Blocks that tile the text, in random order; each epoch tiles it from another offset.

    A random draw of starts would read some tokens five times before others once.
    """

    def __init__(self, tokens: Tokens, *, block_size: int, batch_size: int, seed: int) -> None:
        self.tokens = tokens  # as they lie on disk: of a long text no copy is made
        self.offsets = torch.arange(block_size + 1)
        self.batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.waiting = torch.empty(0, dtype=torch.long)  # starts that this epoch has left

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return inputs and targets, each (B, T): a target is the token after its input."""
        while len(self.waiting) < self.batch_size:
            self.waiting = torch.cat([self.waiting, self._epoch()])
        starts, self.waiting = torch.split(
            self.waiting, [self.batch_size, len(self.waiting) - self.batch_size]
        )
        places = (starts[:, None] + self.offsets).numpy()  # (B, T + 1)
        blocks = torch.from_numpy(self.tokens[places].astype(np.int64))
        return blocks[:, :-1], blocks[:, 1:]

    def _epoch(self) -> Tensor:
        """Return the starts of one epoch's blocks, shuffled: whole blocks from a random offset."""
        block_size = len(self.offsets) - 1
        spare = len(self.tokens) - 1  # inputs that have a target
        n_offsets = min(block_size, spare - block_size + 1)
        first = int(torch.randint(n_offsets, (), generator=self.generator))
        starts = torch.arange(first, spare - block_size + 1, block_size)
        return starts[torch.randperm(len(starts), generator=self.generator)]

    def state(self) -> dict[str, Any]:
        """Return what a later process needs to draw the same."""
        return {"generator": self.generator.get_state(), "waiting": self.waiting}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self.generator.set_state(state["generator"])
        self.waiting = state["waiting"]
