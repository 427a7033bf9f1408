"""The loss of a model on a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import output_layer
from looking_glass.text.corpus import Tokens
from looking_glass.text.sample import Text, runs_of

EVALUATION_BATCH = 8  # blocks


def mean_loss(model: GPT, text: Text) -> float:
    """Return the mean of -log p in nats/token over all tokens of a text, but for the first.

    A sample of a text comes in several runs, and of each the first token is not scored. The model
    is put in eval mode for this, and back. Exact: over the whole vocabulary.
    """
    was_training = model.training
    model.eval()
    loss = float(token_losses(model, text).mean())
    model.train(was_training)
    return loss


@torch.no_grad()
def token_losses(model: GPT, text: Text) -> Tensor:
    """Return -log p in nats of all tokens that `mean_loss` scores: (N,), float64, on the CPU.

    Each run is read in blocks that do not overlap, so that a block's first token has one token of
    context.
    """
    output = output_layer(model)
    losses = []
    for ids, shape in _blocks(runs_of(text), model.config.block_size):
        read = torch.from_numpy(ids.astype(np.int64)).to(model.device)
        hidden = model.hidden(model.embed(read[:-1].view(shape))).flatten(0, 1)  # (B * T, C)
        losses.append(-output.log_probs(hidden, read[1:]))
    return torch.cat(losses).cpu()


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
