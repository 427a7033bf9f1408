"""What disturbs learned vectors, and real tokens in their place."""

from __future__ import annotations

import pytest
import torch

from looking_glass.inversion import robustness
from looking_glass.inversion.optimiser import SearchParams, judge, say
from looking_glass.gpt.generation import generate_greedy
from looking_glass.inversion.search import search
from tests.conftest import make_model

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


def test_a_search_finds_the_one_token_that_was_changed() -> None:
    model = make_model(n_embd=32)
    target = generate_greedy(model, model.embed(PROMPT[None]), 4)[0]
    start = PROMPT.clone()
    start[1] = 11
    found = search(
        model,
        target,
        start,
        SearchParams(steps=60, candidates=64),
        parallel=False,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(found.losses) == 61
    assert all(
        later <= earlier for earlier, later in zip(found.losses, found.losses[1:], strict=False)
    )
    truth = -judge(model, target, model.embed(PROMPT[None]), parallel=False).log_probs.mean()
    assert found.losses[-1] <= truth + 1e-4
    verdict = judge(model, target, model.embed(found.tokens[None]), parallel=False)
    assert -float(verdict.log_probs.mean()) == pytest.approx(found.losses[-1], abs=1e-4)


def test_a_search_is_repeated_by_its_seed_and_keeps_its_start() -> None:
    model = make_model(n_embd=32)
    target, start = torch.tensor([5, 90, 17]), torch.tensor([1, 2, 3])
    runs = [
        search(
            model,
            target,
            start,
            SearchParams(steps=10, candidates=8),
            parallel=True,
            generator=torch.Generator().manual_seed(seed),
        ).tokens.tolist()
        for seed in (0, 0)
    ]
    assert runs[0] == runs[1]
    assert start.tolist() == [1, 2, 3]
