"""The ways to say what mattered, each a number for every word of a choice.

What a name means, `block` from 1 to L:

    attention, weighted_norm, direct, knock_out   of one block, as in `attention.measures`; `all` is
                          their mean over blocks (attention), or their sum
    rollout               attention passed on through all blocks, half of each row staying where it
                          is for the residual stream (Abnar & Zuidema 2020)
    gradient_input, integrated_gradients          as in `gradients`
    knock_out_all_blocks, knock_out_every_row, replacement    one word at a time, all others there
    nearest               the nearer to the choice, the more: places alone, no model at all
    shuffled              random numbers of both signs: the words in a random order
"""

from __future__ import annotations

import torch
from torch import Tensor

from looking_glass.attention.contexts import Case
from looking_glass.attention.measures import IN_BLOCK, IN_MODEL, Measures
from looking_glass.attention.patterns import trace
from looking_glass.gpt.model import GPT
from looking_glass.yardstick.gradients import gradient_methods

Scores = dict[tuple[str, str], Tensor]  # (method, block) → (N, n)
UNSIGNED = ("attention", "weighted_norm", "rollout", "nearest")
ALL = "all"


def from_gradients(model: GPT, case: Case) -> dict[str, Tensor]:
    """Return what one choice's gradients and its rolled-out attention say: each (n,)."""
    return {"rollout": rollout(model, case), **gradient_methods(model, case)}


@torch.no_grad()
def rollout(model: GPT, case: Case) -> Tensor:
    """Return each word's share of the last row of attention rolled out over all blocks: (n,)."""
    patterns = trace(model, model.embed(case.choices.contexts)).patterns
    mixed = torch.eye(case.length, device=model.device)  # (T, T)
    for pattern in patterns:
        mean = pattern[0].mean(dim=0)
        mixed = (mean + torch.eye(case.length, device=model.device)) / 2 @ mixed
    return torch.stack([mixed[-1, start:stop].sum() for start, stop in case.words])


def all_methods(measured: Measures, extra: dict[str, Tensor], generator: torch.Generator) -> Scores:
    """Return every method's scores, from `measure_cases` and `from_gradients` of N cases."""
    scores: Scores = {}
    for name in IN_BLOCK:
        values = measured[name]  # (N, L, n)
        for block in range(values.shape[1]):
            scores[name, str(block + 1)] = values[:, block]
        scores[name, ALL] = values.mean(dim=1) if name == "attention" else values.sum(dim=1)
    for name in (*extra, *IN_MODEL):
        scores[name, ALL] = extra[name] if name in extra else measured[name]
    N, n = measured["replacement"].shape
    scores["nearest", ALL] = torch.arange(n).expand(N, n).float()
    scores["shuffled", ALL] = torch.randn(N, n, generator=generator)
    return scores
