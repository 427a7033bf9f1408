"""The loss of a model on a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import double
from looking_glass.text.corpus import Tokens
from looking_glass.text.sample import Text, runs_of

EVALUATION_BATCH = 8  # blocks
ROWS = 1024  # of the output layer worked on at once: their logits stay in the processor's cache


@torch.no_grad()
def target_log_probs(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return log p of a target after each of the last LayerNorm's outputs: (N, C) → (N,), float64.

    `weight` (V, C) is the output layer's, `targets` (N,) are tokens. It is -log Σ exp(l - l_target)
    over all logits l, some rows of the output layer at a time. Where a target is so improbable that
    float32 cannot hold the sum, each row's largest logit is taken off first.
    """
    logits = (hidden * weight[targets]).sum(dim=1)  # (N,)
    total = torch.zeros_like(double(logits))
    for some in torch.split(weight, ROWS):
        # In place: a fresh tensor for each step would cost as much time as the exponential.
        total += double(torch.addmm(-logits[:, None], hidden, some.T).exp_().sum(dim=1))
    found = -total.log()
    lost = ~found.isfinite()
    if bool(lost.any()):
        log_probs = double(hidden[lost] @ weight.T).log_softmax(dim=1)
        found[lost] = log_probs.gather(1, targets[lost, None].to(found.device))[:, 0]
    return found


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
    losses = []
    for ids, shape in _blocks(runs_of(text), model.config.block_size):
        read = torch.from_numpy(ids.astype(np.int64)).to(model.device)
        hidden = model.hidden(model.embed(read[:-1].view(shape))).flatten(0, 1)  # (B * T, C)
        losses.append(-target_log_probs(hidden, model.lm_head.weight, read[1:]))
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
