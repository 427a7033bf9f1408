"""Muon: steps that are orthogonal, against a decomposition, PyTorch's own and plain algebra."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.training.muon import COEFFICIENTS, Muon, is_wide, polar_factors


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    factors = polar_factors(matrices)
    return [P @ G if is_wide(G) else G @ P.t() for P, G in zip(factors, matrices, strict=True)]


def divided(G: Tensor) -> Tensor:
    """G with its shorter lines divided: what the iterations start from, written out plainly."""
    if not is_wide(G):
        return divided(G.t()).t()
    return torch.stack([row / (G @ row).abs().sum().sqrt() for row in G])


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 32)])
def test_a_step_has_the_directions_of_the_divided_gradient_and_lengths_near_one(
    shape: tuple[int, int],
) -> None:
    G = torch.randn(*shape, dtype=torch.float64)
    (found,) = orthogonal([G])
    U, S, Vh = torch.linalg.svd(divided(G), full_matrices=False)
    assert found.shape == shape
    assert S.max() <= 1 + 1e-12
    # The same singular vectors, and singular values between 0.7 and 1.2 (Jordan et al. 2024).
    core = U.t() @ found @ Vh.t()
    assert torch.allclose(core, core.diagonal().diag(), atol=1e-6)
    large = S > 0.03  # four iterations lift no direction from nothing
    assert ((core.diagonal()[large] > 0.6) & (core.diagonal()[large] < 1.3)).all()


def test_four_iterations_are_as_near_to_orthogonal_as_five_after_a_division_by_the_norm() -> None:
    """The polar factor of the gradient itself, U Vᵀ, is what both are after."""
    G = torch.randn(64, 256) * torch.logspace(0, -2, 256)
    U, _, Vh = torch.linalg.svd(G, full_matrices=False)
    weight = torch.nn.Parameter(torch.zeros_like(G))
    weight.grad = G.clone()
    published = torch.optim.Muon([weight], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False)
    published.step()  # type: ignore[no-untyped-call]
    ours, theirs = orthogonal([G])[0], -weight.detach()

    def near(X: Tensor) -> float:
        return float(F.cosine_similarity(X.flatten(), (U @ Vh).flatten(), dim=0))

    assert near(ours) > near(theirs) - 0.01


def test_several_matrices_are_as_each_alone() -> None:
    matrices = [torch.randn(8, 8), torch.randn(24, 8), torch.randn(8, 32)]
    for together, G in zip(orthogonal(matrices), matrices, strict=True):
        assert torch.allclose(together, orthogonal([G])[0], atol=1e-5)


def test_a_gradient_of_zeros_moves_nothing() -> None:
    assert not orthogonal([torch.zeros(8, 24)])[0].any()


def test_ten_steps_are_the_published_iteration_written_out() -> None:
    """Momentum, Nesterov's look ahead, five lines of algebra and the decay, in float64."""
    start, gradients = torch.randn(16, 48), torch.randn(10, 16, 48)
    ours = torch.nn.Parameter(start.clone())
    one = Muon([ours], lr=0.02, weight_decay=0.1)
    plain, mean = start.double(), torch.zeros(16, 48, dtype=torch.float64)
    a, b, c = COEFFICIENTS
    for gradient in gradients:
        ours.grad = gradient.clone()
        one.step()
        mean = 0.95 * mean + 0.05 * gradient
        X = divided(0.05 * gradient + 0.95 * mean)
        for _ in range(4):
            A = X @ X.t()
            X = a * X + b * A @ X + c * A @ A @ X
        plain = (1 - 0.02 * 0.1) * plain - 0.02 * 0.2 * math.sqrt(48) * X
    moved = (ours.detach() - start).norm()
    assert float((ours.detach() - plain).norm() / moved) < 1e-5


def test_its_state_goes_on_to_the_same_bits() -> None:
    gradients = torch.randn(6, 8, 8)

    def run(stop: int | None) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.ones(8, 8))
        optimizer = Muon([weight], lr=0.1)
        for step, gradient in enumerate(gradients):
            if step == stop:
                saved, value = optimizer.state_dict(), weight.detach().clone()
                weight = torch.nn.Parameter(value)
                optimizer = Muon([weight], lr=0.1)
                optimizer.load_state_dict(saved)
            weight.grad = gradient.clone()
            optimizer.step()
        return weight.detach()

    assert torch.equal(run(None), run(3))
