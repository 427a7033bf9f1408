"""Real tokens in place of learned vectors: the greedy coordinate gradient.

At each step the gradient by the one-hot choice at every position says, to first order, which other
tokens would lower the loss; random single exchanges from the best of them are tried, and the best
one of these is taken when it is better. Source: Zou et al. 2023, Universal and Transferable
Adversarial Attacks on Aligned Language Models (after Shin et al. 2020, AutoPrompt).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import output_layer
from looking_glass.inversion.params import SearchParams
from looking_glass.inversion.readings import target_hidden, target_logits

BEST = 32  # exchanges that a position is offered, as its gradient ranks them


@dataclass(frozen=True, kw_only=True)
class Found:
    """The best tokens that a search found."""

    tokens: Tensor  # (k,)
    losses: list[float]  # nats/token: at the start and after each step


def search(
    model: GPT,
    target: Tensor,
    start: Tensor,
    params: SearchParams,
    *,
    parallel: bool,
    generator: torch.Generator,
    allowed: Callable[[Tensor], Tensor] | None = None,
) -> Found:
    """Return tokens that make the model say `target` (n,) as far as can be, from `start` (k,).

    Judged by the same loss as learned vectors are: see `looking_glass.inversion.optimiser`.
    `allowed`, (B, k) → (B,) bool, says which choices may be taken; all of them when left out.
    """
    tokens = start.clone()
    losses = [float(_losses(model, target, tokens[None], parallel=parallel)[0])]
    for _ in range(params.steps):
        offers = _offers(model, target, tokens, parallel=parallel)  # (k, BEST)
        places = torch.randint(len(tokens), (params.candidates,), generator=generator)
        picks = torch.randint(offers.shape[1], (params.candidates,), generator=generator)
        rows = torch.arange(params.candidates)
        tried = tokens.repeat(params.candidates, 1)
        tried[rows, places] = offers[places, picks].to(tried)
        if allowed is not None:
            tried = tried[allowed(tried)]
            if not len(tried):
                losses.append(losses[-1])
                continue
        reached = _losses(model, target, tried, parallel=parallel)
        best = int(reached.argmin())
        if float(reached[best]) < losses[-1]:
            tokens = tried[best]
        losses.append(min(losses[-1], float(reached[best])))
    return Found(tokens=tokens, losses=losses)


def _offers(model: GPT, target: Tensor, tokens: Tensor, *, parallel: bool) -> Tensor:
    """Return for each position the tokens whose embeddings the loss falls towards: (k, BEST)."""
    x = model.embed(tokens)[None].detach().requires_grad_(True)
    logits = target_logits(model, x, target, parallel=parallel)[0]  # (n, V)
    loss = F.cross_entropy(logits, target)
    (gradient,) = torch.autograd.grad(loss, x)  # (1, k, C)
    slopes = gradient[0] @ model.transformer.wte.weight.t()  # (k, V)
    return (-slopes).topk(min(BEST, slopes.shape[1]), dim=1).indices


@torch.no_grad()
def _losses(model: GPT, target: Tensor, tokens: Tensor, *, parallel: bool) -> Tensor:
    """Return the loss of each choice of tokens: (B, k) → (B,), nats/token."""
    hidden = target_hidden(model, model.embed(tokens), target, parallel=parallel)  # (B, n, C)
    labels = target.expand(len(tokens), -1)
    log_probs = output_layer(model).log_probs(hidden.flatten(0, 1), labels.flatten())
    return -log_probs.view(labels.shape).mean(dim=1)


def drawn_tokens(ordinary: Sequence[int], n: int, generator: torch.Generator) -> Tensor:
    """Return n tokens drawn evenly from those that a text can have: (n,)."""
    return torch.tensor(ordinary)[torch.randint(len(ordinary), (n,), generator=generator)]
