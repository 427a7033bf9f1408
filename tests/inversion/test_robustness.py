"""What disturbs learned vectors, and how much of it they bear."""

from __future__ import annotations

import pytest
import torch

from looking_glass.inversion import robustness
from looking_glass.inversion.judging import say
from tests.helpers.models import make_model

PROMPT = torch.tensor([3, 60, 8])


@pytest.mark.parametrize("parallel", [True, False])
def test_what_a_prompt_makes_the_model_say_survives_other_arithmetic(parallel: bool) -> None:
    model = make_model(n_embd=32)
    vectors = model.embed(PROMPT[None])
    target = say(model, vectors, 3, parallel=parallel)[0]
    for survives in (robustness.survives_float64, robustness.survives_bfloat16):
        assert survives(model, vectors, target, parallel=parallel).tolist() == [True]
        other = (target + 1) % 97
        assert survives(model, vectors, other, parallel=parallel).tolist() == [False]
    assert model.lm_head.weight.dtype == torch.float32, "the model itself is left as it is"


def test_the_noise_radius_is_where_half_of_the_trials_still_succeed() -> None:
    model = make_model(n_embd=32)
    vectors = model.embed(PROMPT)
    target = say(model, vectors[None], 3, parallel=True)[0]
    radius = robustness.noise_radius(
        model,
        vectors,
        target,
        parallel=True,
        trials=500,
        generator=torch.Generator().manual_seed(1),
    )
    assert 1e-3 < radius < 1e3
    scale = vectors.square().mean().sqrt()
    draws = torch.randn(400, *vectors.shape) * scale
    shares = [
        robustness.says_exactly(model, vectors + factor * radius * draws, target, parallel=True)
        .float()
        .mean()
        .item()
        for factor in (0.5, 1.0, 2.0)
    ]
    assert shares[0] > shares[1] > shares[2]
    assert abs(shares[1] - 0.5) < 0.15
