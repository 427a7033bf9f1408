"""The loss whose gradient comes with it: PyTorch's own is the oracle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from looking_glass.training import cross_entropy
from looking_glass.training.cross_entropy import LinearCrossEntropy, linear_cross_entropy

INPUTS = tuple[Tensor, Tensor, Tensor, Tensor]


def draw(n: int, width: int, rows: int, dtype: torch.dtype = torch.float64) -> INPUTS:
    """Return hidden states, weights, biases and targets."""
    return (
        torch.randn(n, width, dtype=dtype, requires_grad=True),
        torch.randn(rows, width, dtype=dtype, requires_grad=True),
        torch.randn(rows, dtype=dtype),
        torch.randint(rows, (n,)),
    )


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 20), width=st.integers(1, 6), rows=st.integers(1, 30), piece=st.integers(1, 99)
)
def test_loss_and_gradients_are_pytorchs_whatever_the_piece(
    n: int, width: int, rows: int, piece: int
) -> None:
    hidden, weight, bias, targets = draw(n, width, rows)
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets)
    gradients = torch.autograd.grad(3 * expected, (hidden, weight))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_entropy, "PIECE", piece)
        loss = linear_cross_entropy(hidden, weight, bias, targets)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, (hidden, weight)), gradients)


def test_gradient_is_the_slope() -> None:
    hidden, weight, bias, targets = draw(5, 3, 7)

    def loss(hidden: Tensor, weight: Tensor) -> Tensor:
        return LinearCrossEntropy.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call, no-any-return]

    assert torch.autograd.gradcheck(loss, (hidden, weight))


def test_huge_logits_do_not_overflow() -> None:
    hidden, weight, bias, _ = draw(4, 3, 7, torch.float32)
    targets = F.linear(hidden * 1e4, weight, bias).argmin(dim=1)
    loss = linear_cross_entropy(hidden * 1e4, weight, bias, targets)
    torch.testing.assert_close(loss, F.cross_entropy(F.linear(hidden * 1e4, weight, bias), targets))
    assert torch.isfinite(loss)
    assert torch.isfinite(torch.autograd.grad(loss, weight)[0]).all()


def test_a_target_that_float32_has_no_probability_of_has_its_loss() -> None:
    hidden, weight, bias, targets = draw(6, 3, 7, torch.float32)
    bias[0], targets[:] = -95.0, torch.tensor([0, 1, 0, 2, 3, 0])
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets)
    loss = linear_cross_entropy(hidden, weight, bias, targets)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(expected, (hidden, weight))
    torch.testing.assert_close(torch.autograd.grad(loss, (hidden, weight)), gradients)


def test_under_autocast_products_are_bfloat16_and_the_sum_is_not() -> None:
    hidden, weight, bias, targets = draw(8, 4, 9, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, bias, targets)
    exact = F.cross_entropy(F.linear(hidden, weight, bias), targets)
    assert loss.dtype == torch.float32
    assert 0 < abs(loss.item() - exact.item()) < 0.05
