"""Muon: steps that are orthogonal, against a decomposition and against PyTorch's own."""

from __future__ import annotations

import pytest
import torch

from looking_glass.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 32)])
def test_a_step_has_the_directions_of_the_gradient_and_lengths_near_one(
    shape: tuple[int, int],
) -> None:
    G = torch.randn(*shape, dtype=torch.float64)
    (found,) = orthogonal([G])
    U, S, Vh = torch.linalg.svd(G, full_matrices=False)
    assert found.shape == shape
    # The same singular vectors, and singular values between 0.7 and 1.2 (Jordan et al. 2024).
    core = U.t() @ found @ Vh.t()
    assert torch.allclose(core, core.diagonal().diag(), atol=1e-6)
    large = S / S.norm() > 0.01  # five iterations lift no direction from nothing
    assert ((core.diagonal()[large] > 0.6) & (core.diagonal()[large] < 1.3)).all()


def test_several_matrices_are_as_each_alone() -> None:
    matrices = [torch.randn(8, 8), torch.randn(24, 8), torch.randn(8, 32)]
    for together, G in zip(orthogonal(matrices), matrices, strict=True):
        assert torch.allclose(together, orthogonal([G])[0], atol=1e-5)


def test_ten_steps_are_pytorchs_own_but_for_bfloat16() -> None:
    start, gradients = torch.randn(16, 48), torch.randn(10, 16, 48)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    one = Muon([ours], lr=0.02, weight_decay=0.1)
    other = torch.optim.Muon(
        [theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw", nesterov=True
    )
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()  # type: ignore[no-untyped-call]
    moved = (ours.detach() - start).norm()
    assert float((ours - theirs).detach().norm() / moved) < 0.02


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
