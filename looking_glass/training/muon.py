"""Muon: steps of momentum in which every direction of a matrix counts alike, in float32.

The momentum of a gradient, G = U S Vᵀ, gives way to about U Vᵀ: four Newton–Schulz iterations find
that without a decomposition. They run on the small square matrix G Gᵀ, for all matrices of a model
side by side, after each of G's shorter lines was divided by the root of the sum of |G Gᵀ| over its
own: no singular value is above 1 then, and they lie closer together than after a division by one
norm, which saves a fifth iteration. PyTorch's own `torch.optim.Muon` divides by the norm and works
in bfloat16, which most CPUs do slowly.

Sources: Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks (iteration and
coefficients); Boissin et al. 2025, Turbo-Muon, and Prach & Lampert 2022, Almost-Orthogonal Layers
(the division); Liu et al. 2025, Muon is Scalable for LLM Training (the size of a step, 0.2 · √(the
longer side), which makes rates and decays of AdamW fit; section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 4
TINY = 1e-14  # what a sum of squares is taken for at least


def polar_factors(matrices: Sequence[Tensor]) -> Tensor:
    """Return P, (n, c, c), so that P G, or G Pᵀ where G is taller than wide, is near orthogonal.

    The shorter sides, c, must be equal.
    """
    c = min(matrices[0].shape)
    gram = torch.empty(len(matrices), c, c, dtype=matrices[0].dtype, device=matrices[0].device)
    for G, out in zip(matrices, gram, strict=True):
        torch.mm(*((G, G.t()) if is_wide(G) else (G.t(), G)), out=out)
    scale = gram.abs().sum(dim=2).clamp_min(TINY).rsqrt()  # (n, c)
    gram *= scale[:, :, None]
    gram *= scale[:, None, :]
    first, second, third = COEFFICIENTS
    product = None
    for left in reversed(range(ITERATIONS)):
        step = torch.baddbmm(gram, gram, gram, beta=second, alpha=third)
        step.diagonal(dim1=1, dim2=2).add_(first)
        product = step if product is None else torch.bmm(step, product)
        if left:  # all of these are polynomials of one matrix: they commute
            gram = torch.bmm(torch.bmm(step, step), gram)
    assert product is not None
    return product * scale[:, None, :]


def is_wide(G: Tensor) -> bool:
    """Whether the rows of G (m, n) are its shorter side."""
    return G.shape[0] <= G.shape[1]


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; decoupled weight decay as AdamW's."""

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make one update of every parameter that has a gradient."""
        pairs = [(p, group) for group in self.param_groups for p in group["params"]]
        wanted = []
        for p, group in pairs:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            mean = state["momentum"]
            mean.lerp_(p.grad, 1 - group["momentum"])
            wanted.append(p.grad.lerp(mean, group["momentum"]))
        for (p, group), G, P in zip(pairs, wanted, polar_factors(wanted), strict=True):
            keep = 1 - group["lr"] * group["weight_decay"]
            size = -0.2 * math.sqrt(max(p.shape)) * group["lr"]
            p.addmm_(*((P, G) if is_wide(G) else (G, P.t())), beta=keep, alpha=size)
