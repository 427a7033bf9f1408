"""Dropout by bytes: what it drops, what it keeps, and that a seed repeats it."""

from __future__ import annotations

import math

import pytest
import torch

from looking_glass.gpt.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_the_share_dropped_is_p_and_the_expectation_is_kept(p: float) -> None:
    n = 2_000_001  # no multiple of eight
    out = Dropout(p)(torch.ones(n))
    share = (out == 0).double().mean().item()
    noise = 5 * math.sqrt(p * (1 - p) / n)
    assert abs(share - p) < noise + 1 / 512, "the share is a multiple of 1/256"
    kept = out[out != 0]
    assert (kept == kept[0]).all()
    # What is kept is divided by the share that is really kept, and not by 1 - p.
    dropped = 1 - 1 / float(kept[0])
    assert 256 * dropped == pytest.approx(round(256 * dropped), abs=1e-3)
    assert abs(share - dropped) < noise
    assert out.double().mean().item() == pytest.approx(1, abs=noise / (1 - p))


def test_elements_are_dropped_independently() -> None:
    rows = Dropout(0.5)(torch.ones(50_000, 16)).bool().float()
    correlations = torch.corrcoef(rows.t()).fill_diagonal_(0)
    assert correlations.abs().max() < 5 / math.sqrt(50_000)
    assert abs(float((rows[1:] == rows[:-1]).float().mean()) - 0.5) < 0.005


def test_the_gradient_goes_where_the_value_went() -> None:
    x = torch.randn(6, 5, 7, requires_grad=True)
    out = Dropout(0.3)(x)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(gradient * x, out)


def test_a_seed_repeats_the_mask_and_another_does_not() -> None:
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.3)(torch.ones(100)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3])
def test_nothing_is_dropped_in_eval_mode_or_when_p_is_nothing(p: float) -> None:
    x = torch.randn(50)
    assert torch.equal(Dropout(p).eval()(x), x)
    if p < 1 / 512:
        assert torch.equal(Dropout(p)(x), x)


def test_all_is_dropped_when_p_is_all() -> None:
    assert not Dropout(1.0)(torch.ones(50)).any()
