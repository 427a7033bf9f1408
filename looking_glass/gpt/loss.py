"""The loss of a model on a text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.text.corpus import Tokens

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
    total = torch.zeros_like(logits, dtype=torch.float64)
    for some in torch.split(weight, ROWS):
        # In place: a fresh tensor for each step would cost as much time as the exponential.
        total += torch.addmm(-logits[:, None], hidden, some.T).exp_().sum(dim=1).double()
    found = -total.log()
    lost = ~found.isfinite()
    if bool(lost.any()):
        log_probs = (hidden[lost] @ weight.T).double().log_softmax(dim=1)
        found[lost] = log_probs.gather(1, targets[lost, None])[:, 0]
    return found


def mean_loss(model: GPT, tokens: Tokens) -> float:
    """Return the mean of -log p in nats/token over all of `tokens` but the first.

    The model is put in eval mode for this, and back. Exact: over the whole vocabulary.
    """
    was_training = model.training
    model.eval()
    loss = float(token_losses(model, tokens).mean())
    model.train(was_training)
    return loss


@torch.no_grad()
def token_losses(model: GPT, tokens: Tokens) -> Tensor:
    """Return -log p in nats of all of `tokens` but the first: (N,), float64, on the CPU.

    The text is read in blocks that do not overlap, so that a block's first token has one token of
    context.
    """
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    losses = []
    for inputs, targets in _blocks(ids, model.config.block_size):
        hidden = model.hidden(model.embed(inputs)).flatten(0, 1)  # (B * T, C)
        losses.append(-target_log_probs(hidden, model.lm_head.weight, targets.flatten()))
    return torch.cat(losses).cpu()


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
