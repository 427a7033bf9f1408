"""GELU with a slope of its own: PyTorch's is the oracle."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.gelu import Gelu, gelu


def theirs(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def test_values_and_slopes_are_pytorchs_far_out_too() -> None:
    far = torch.tensor([-1e4, -50.0, -9.0, 0.0, 9.0, 50.0, 1e4])
    x = torch.cat([far, torch.linspace(-6, 6, 1001)]).requires_grad_(True)
    torch.testing.assert_close(gelu(x), theirs(x), rtol=1e-5, atol=1e-6)
    weights = torch.randn(len(x))
    (ours,) = torch.autograd.grad((weights * gelu(x)).sum(), x)
    (expected,) = torch.autograd.grad((weights * theirs(x)).sum(), x)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_gradient_is_the_slope() -> None:
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Gelu.apply, (x,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_any_other_kind_of_number_is_left_to_pytorch(dtype: torch.dtype) -> None:
    x = torch.randn(50, dtype=dtype, requires_grad=True)
    assert torch.equal(gelu(x), theirs(x))
    assert type(gelu(x).grad_fn).__name__ == "GeluBackward0"


def test_with_and_without_a_gradient_it_is_the_same_to_the_bit() -> None:
    x = torch.randn(50)
    learned = gelu(x.clone().requires_grad_(True))
    assert torch.equal(gelu(x), learned.detach())
    with torch.no_grad():
        assert torch.equal(gelu(x.clone().requires_grad_(True)), learned)
    torch.testing.assert_close(gelu(x), theirs(x), rtol=1e-5, atol=1e-6)
