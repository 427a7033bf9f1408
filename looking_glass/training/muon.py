"""Muon: steps of momentum in which every direction of a matrix counts alike, in float32.

The momentum of a gradient, G = U S Vᵀ, gives way to about U Vᵀ: five Newton–Schulz iterations find
that without a decomposition. They run on the small square matrix G Gᵀ, for all matrices of a model
side by side. PyTorch's own `torch.optim.Muon` works in bfloat16, which most CPUs do slowly.

Sources: Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks (iteration and
coefficients); Liu et al. 2025, Muon is Scalable for LLM Training (the size of a step, 0.2 · √(the
longer side), which makes rates and decays of AdamW fit; section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return each matrix (m, n) with its singular values brought near 1.

    The shorter sides must be equal.
    """
    wide = [G.shape[0] <= G.shape[1] for G in matrices]
    scaled = [G / (G.norm() + 1e-7) for G in matrices]
    gram = torch.stack(
        [G @ G.t() if flat else G.t() @ G for G, flat in zip(scaled, wide, strict=True)]
    )  # (n, c, c)
    a, b, c = COEFFICIENTS
    product = None
    for left in reversed(range(ITERATIONS)):
        step = b * gram + c * torch.bmm(gram, gram)
        step.diagonal(dim1=1, dim2=2).add_(a)
        product = step if product is None else torch.bmm(step, product)
        if left:  # all of these are polynomials of one matrix: they commute
            gram = torch.bmm(torch.bmm(step, step), gram)
    assert product is not None
    # A polynomial of a symmetric matrix is symmetric: either side of G will do.
    return [P @ G if flat else G @ P for P, G, flat in zip(product, scaled, wide, strict=True)]


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
            mean = self.state[p].setdefault("momentum", torch.zeros_like(p))
            mean.lerp_(p.grad, 1 - group["momentum"])
            wanted.append(p.grad.lerp(mean, group["momentum"]))
        for (p, group), update in zip(pairs, orthogonal(wanted), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update, alpha=-0.2 * math.sqrt(max(p.shape)) * group["lr"])
