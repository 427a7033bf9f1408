"""The loss of a model on a text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.text.corpus import Tokens

EVALUATION_BATCH = 8  # blocks: 8 x 64 positions of 50,257 logits are 103 MB


@torch.no_grad()
def mean_loss(model: GPT, tokens: Tokens) -> float:
    """Return the mean of -log p in nats/token over all of `tokens` but the first.

    The text is read in blocks that do not overlap, so that a block's first token has one token of
    context. The model is put in eval mode for this, and back. Exact: over the whole vocabulary.
    """
    was_training = model.training
    model.eval()
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    total = 0.0
    for inputs, targets in _blocks(ids, model.config.block_size):
        logits = model(inputs).flatten(0, 1)
        total += F.cross_entropy(logits, targets.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (len(ids) - 1)


def _blocks(ids: Tensor, block_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets that cover ids[1:] once: batches of blocks, then the short rest."""
    n_whole = (len(ids) - 1) // block_size
    whole = n_whole * block_size
    inputs, targets = ids[:whole].view(-1, block_size), ids[1 : whole + 1].view(-1, block_size)
    for start in range(0, n_whole, EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        yield inputs[batch], targets[batch]
    if whole < len(ids) - 1:
        yield ids[None, whole:-1], ids[None, whole + 1 :]
