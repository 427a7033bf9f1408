"""Gradients of a choice: against finite differences, and adding up to what they should."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.attention.contexts import Case
from looking_glass.gpt.model import GPT
from looking_glass.yardstick.gradients import gradient_methods
from tests.helpers.cases import case_of, spans
from tests.helpers.models import make_model

WORDS = spans([1, 3, 2])


@pytest.fixture
def precise() -> GPT:
    """A model in float64, for differences of what is nearly the same."""
    return make_model().double()


def log_prob(model: GPT, x: Tensor, case: Case) -> float:
    """Return log p(choice) for embeddings (1, T, C)."""
    return float(model.forward_embeddings(x)[0, -1].log_softmax(-1)[case.choices.chosen])


def test_gradient_times_input_is_what_growing_a_word_does(precise: GPT) -> None:
    case = case_of(precise, torch.randint(97, (6,)), WORDS)
    found = gradient_methods(precise, case)["gradient_input"]
    assert found.shape == (3,)
    x, step = precise.embed(case.choices.contexts), 1e-5
    for index, (start, stop) in enumerate(WORDS):
        grown = x.clone()
        grown[:, start:stop] *= 1 + step
        shrunk = x.clone()
        shrunk[:, start:stop] *= 1 - step
        slope = (log_prob(precise, grown, case) - log_prob(precise, shrunk, case)) / (2 * step)
        assert float(found[index]) == pytest.approx(slope, abs=1e-6)
        assert abs(slope) > 1e-3


def test_integrated_gradients_share_out_the_whole_effect(precise: GPT) -> None:
    case = case_of(precise, torch.randint(97, (6,)), WORDS)
    x = precise.embed(case.choices.contexts)
    whole = log_prob(precise, x, case) - log_prob(precise, torch.zeros_like(x), case)
    assert abs(whole) > 0.1
    found = gradient_methods(precise, case, points=200)["integrated_gradients"]
    assert float(found.sum()) == pytest.approx(whole, abs=1e-4)
    few = gradient_methods(precise, case)["integrated_gradients"]
    torch.testing.assert_close(few, found, atol=1e-3, rtol=0)
    # One point is the gradient half way.
    half = gradient_methods(precise, case, points=1)["integrated_gradients"]
    assert not torch.allclose(half, gradient_methods(precise, case)["gradient_input"], atol=1e-3)


def test_a_models_weights_are_left_without_gradients() -> None:
    model = make_model()
    case = case_of(model, torch.randint(97, (6,)), WORDS)
    assert not any(found.requires_grad for found in gradient_methods(model, case).values())
    assert all(parameter.grad is None for parameter in model.parameters())
