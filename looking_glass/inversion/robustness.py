"""How much learned vectors can be disturbed before the model says something else."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.inversion.judging import say
from looking_glass.inversion.readings import target_logits
from looking_glass.pipeline.compute import double, float64_device

HALVINGS = 10  # of the noise's range of scales, 10⁻⁴ to 10⁴ of the vectors' own: to 2 %


@torch.no_grad()
def says_exactly(model: GPT, vectors: Tensor, target: Tensor, *, parallel: bool) -> Tensor:
    """Return for each of `vectors` (B, k, C) whether the model says `target` (n,): (B,) bool."""
    said = say(model, vectors.to(model.device), len(target), parallel=parallel)
    return (said == target.to(said.device)).all(dim=1).cpu()


@torch.no_grad()
def survives_float64(model: GPT, vectors: Tensor, target: Tensor, *, parallel: bool) -> Tensor:
    """Return whether the same weights say it when computed in float64: (B,) bool."""
    exact = copy.deepcopy(model).to(float64_device(model.device)).double()
    return says_exactly(exact, double(vectors), target, parallel=parallel)


@torch.no_grad()
def survives_bfloat16(model: GPT, vectors: Tensor, target: Tensor, *, parallel: bool) -> Tensor:
    """Return whether vectors rounded to bfloat16, 8 bits of mantissa, still say it: (B,) bool."""
    return says_exactly(model, vectors.bfloat16().float(), target, parallel=parallel)


@torch.no_grad()
def noise_radius(
    model: GPT,
    vectors: Tensor,
    target: Tensor,
    *,
    parallel: bool,
    trials: int,
    generator: torch.Generator,
) -> float:
    """Return the Gaussian noise under which half of the trials still say `target`.

    `vectors` (k, C) are those of one restart, and exact. The result is the noise's standard
    deviation as a share of the root mean square of `vectors`. The same draws are scaled up and
    down, by halving the range of scales.
    """
    scale = vectors.square().mean().sqrt()
    draws = torch.randn(trials, *vectors.shape, generator=generator) * scale
    low, high = math.log(1e-4), math.log(1e4)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        disturbed = (vectors + math.exp(middle) * draws).to(model.device)
        # Whether each token leads after those before it: a prefix says the sentence if all do.
        first = target_logits(model, disturbed, target, parallel=parallel).argmax(dim=-1)
        said = (first == target).all(dim=1)
        if said.float().mean() >= 0.5:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
