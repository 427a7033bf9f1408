"""The loss of a model on a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.text.corpus import Tokens
from looking_glass.text.sample import Text, runs_of

EVALUATION_BATCH = 8  # blocks: 8 x 64 positions of 50,257 logits are 103 MB


@torch.no_grad()
def mean_loss(model: GPT, text: Text) -> float:
    """Return the mean of -log p in nats/token over all tokens of a text, but for the first.

    A sample of a text comes in several runs, and of each the first token is not scored. Each is
    read in blocks that do not overlap, so that a block's first token has one token of context. The
    model is put in eval mode for this, and back. Exact: over the whole vocabulary.
    """
    was_training = model.training
    model.eval()
    total = 0.0
    for ids, shape in _blocks(runs_of(text), model.config.block_size):
        read = torch.from_numpy(ids.astype(np.int64)).to(model.device)
        inputs, targets = read[:-1].view(shape), read[1:].view(shape)
        logits = model(inputs).flatten(0, 1)
        total += F.cross_entropy(logits, targets.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / sum(len(run) - 1 for run in runs_of(text))


def _blocks(runs: Sequence[Tokens], block_size: int) -> Iterator[tuple[Tokens, tuple[int, int]]]:
    """Yield each run a batch of blocks at a time, then the short rest: tokens, and their shape.

    There is one token more than the shape says: its last block's last target.
    """
    for run in runs:
        whole = (len(run) - 1) // block_size * block_size
        for start in range(0, whole, EVALUATION_BATCH * block_size):
            stop = min(start + EVALUATION_BATCH * block_size, whole)
            yield run[start : stop + 1], ((stop - start) // block_size, block_size)
        if whole < len(run) - 1:
            yield run[whole:], (1, len(run) - 1 - whole)
