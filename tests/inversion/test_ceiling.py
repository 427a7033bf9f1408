"""Ceilings: hand-worked cases, and bounds that hold for every state and every input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.inversion.ceiling import Ball, ceilings
from looking_glass.inversion.judging import judge
from tests.helpers.models import make_model, planted

TOKENS = torch.tensor([3, 50, 96, 3])


def test_two_tokens_by_hand() -> None:
    # z has mean zero and length √2 at most: z = (1, -1), and the logits are ±2.
    found = ceilings(planted([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([0, 1]))
    expected = -math.log(1 + math.exp(-4))
    assert found.lower.tolist() == pytest.approx([expected] * 2, abs=1e-6)
    assert found.upper.tolist() == pytest.approx([expected] * 2, abs=2e-3)
    assert (found.lower < expected).all(), "the ball is open"
    assert (found.upper >= expected).all(), "and its bound holds up to the edge"
    assert found.can_be_argmax == [True, True]


def test_a_token_below_two_opposite_ones_can_never_be_the_argmax() -> None:
    # z = (t, -t) gives the logits 4 t + 2, -2 and -4 t + 2: the second is below one of the others.
    model = planted([[3.0, -1.0], [-1.0, -1.0], [-1.0, 3.0]], shift=1.0)
    found = ceilings(model, torch.tensor([0, 1, 2]))
    assert found.can_be_argmax == [True, False, True]
    # Its ceiling is at z = 0, in the middle of the ball and not on its boundary.
    assert float(found.lower[1]) == pytest.approx(-4 - math.log(2 + math.exp(-4)), abs=2e-3)
    assert float(found.points[1].norm()) < 0.1


def test_where_all_are_alike_nothing_is_claimed() -> None:
    found = ceilings(planted([[1.0, -1.0]] * 3), torch.tensor([1]))
    assert found.can_be_argmax == [None]
    assert float(found.upper[0]) == pytest.approx(-math.log(3), abs=1e-6)


def test_the_bounds_meet_and_the_best_states_lie_in_the_ball() -> None:
    model = make_model(n_embd=16)
    found = ceilings(model, TOKENS)
    assert found.lower.dtype == torch.float64
    assert (found.lower <= found.upper).all()
    assert (found.upper - found.lower < 0.01).all()
    assert (found.points.norm(dim=1) <= 4).all()
    assert found.points.sum(dim=1).abs().max() < 1e-4
    assert torch.equal(found.upper[0], found.upper[3]), "one token, one ceiling"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e4))
def test_no_input_goes_above_the_ceiling(seed: int, scale: float) -> None:
    torch.manual_seed(0)
    model = make_model(n_embd=16)
    upper = ceilings(model, TOKENS).upper
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(32, len(TOKENS), 16, generator=generator) * scale
    log_probs = judge(model, TOKENS, inputs, parallel=True).log_probs
    assert (log_probs <= upper + 1e-5).all()


def test_the_ball_gives_the_models_own_logits() -> None:
    model = make_model(n_embd=16)
    x = torch.randn(5, 16)
    z = torch.nn.functional.layer_norm(x, (16,))
    logits = Ball(model, torch.float32).logits(z)
    assert torch.allclose(logits, model.lm_head(model.transformer.ln_f(x)), atol=1e-4)
    assert (z.norm(dim=1) < 4).all()


def test_the_tangent_is_the_slope() -> None:
    ball = Ball(make_model(n_embd=16), torch.float64)
    z = torch.randn(4, 16, dtype=torch.float64)
    z = (z - z.mean(dim=1, keepdim=True)).requires_grad_(True)
    for sharpness in (1.0, 4.0):
        height = ball.logits(z).mul(sharpness).log_softmax(1).gather(1, TOKENS[:, None])[:, 0]
        (slope,) = torch.autograd.grad(height.sum(), z)
        value, gradient = ball.tangent(z.detach(), TOKENS, sharpness)
        torch.testing.assert_close(value, height.detach())
        torch.testing.assert_close(gradient, slope)
