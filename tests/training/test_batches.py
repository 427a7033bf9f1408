"""Batches: blocks from anywhere in the text, and their targets."""

from __future__ import annotations

import numpy as np
import torch

from looking_glass.training.batches import Batches


def test_targets_are_the_inputs_one_token_later() -> None:
    tokens = np.arange(500, dtype=np.uint16)
    batches = Batches(tokens, block_size=8, batch_size=64, seed=3)
    starts = set()
    for _ in range(200):
        inputs, targets = batches.draw()
        assert torch.equal(inputs + 1, targets)
        assert inputs.shape == (64, 8)
        starts |= set(inputs[:, 0].tolist())
    assert starts == set(range(500 - 8)), "every block is drawn, the last one included"
