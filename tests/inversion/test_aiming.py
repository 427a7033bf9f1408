"""Vectors aimed at states: at the ball's edge, inside it, and where the best state lies inside."""

from __future__ import annotations

import pytest
import torch

from looking_glass.inversion import aiming
from looking_glass.inversion.aiming import aim
from looking_glass.inversion.ceiling import ceilings
from looking_glass.inversion.judging import judge
from tests.helpers.models import make_model, planted

TOKENS = torch.tensor([3, 50, 96, 3])
# Token 0 lies between others on every side: the state that suits it best is nearly the middle.
SURROUNDED = [
    [0.5, 0.1, -0.3, -0.3],
    *[[3.0 if i == j else -1.0 for j in range(4)] for i in range(4)],
    *[[-3.0 if i == j else 1.0 for j in range(4)] for i in range(4)],
]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_aimed_vectors_reach_the_ceiling_and_make_the_model_say_it() -> None:
    model = make_model(n_embd=16)
    found = ceilings(model, TOKENS)
    aimed = aim(model, found.points)
    assert (aimed.inside, aimed.solved) == (0, 0)
    verdict = judge(model, TOKENS, aimed.vectors, parallel=True)
    assert torch.allclose(verdict.log_probs[0].double(), found.lower, atol=5e-3)
    assert found.can_be_argmax == [True] * 4
    assert verdict.exact.tolist() == [True]


def test_a_best_state_inside_the_ball_is_met_in_its_length_too() -> None:
    model = planted(SURROUNDED)
    target = torch.tensor([0, 1, 0, 0])
    found = ceilings(model, target)
    assert found.points[0].norm() < 0.1 * 2, "nearly the middle"
    assert found.points[1].norm() > 0.999 * 2, "at the edge"
    aimed = aim(model, found.points)
    assert (aimed.inside, aimed.solved) == (3, 3)
    reached = judge(model, target, aimed.vectors, parallel=True).log_probs[0].double()
    assert torch.allclose(reached, found.lower, atol=1e-3)
    # The direction alone, as it once was, is far from it.
    long = aiming.LONG * found.points.float() - model.transformer.wpe.weight[:4]
    loud = judge(model, target, long[None], parallel=True).log_probs[0]
    assert loud[0] < reached[0] - 2
    assert loud[1] == pytest.approx(float(reached[1]), abs=1e-3)


def test_any_state_of_the_ball_has_an_input() -> None:
    model = make_model(n_embd=16)
    points = torch.randn(6, 16).double()
    points -= points.mean(dim=1, keepdim=True)
    lengths = 4 * torch.tensor([0, 0.1, 0.5, 0.9, 0.99, 1])
    points *= (lengths / points.norm(dim=1))[:, None]
    aimed = aim(model, points)
    assert (aimed.inside, aimed.solved) == (5, 5)
    norm = model.transformer.ln_f
    states = (model.hidden(aimed.vectors)[0] - norm.bias) / norm.weight
    assert (states.double() - points).norm(dim=1).max() < 2e-3


def test_a_state_that_nothing_was_found_for_gets_its_direction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiming, "STARTS", ())
    model = make_model(n_embd=16)
    points = torch.tensor([[1.0, -1.0] + [0.0] * 14])
    aimed = aim(model, points)
    assert (aimed.inside, aimed.solved) == (1, 0)
    expected = aiming.LONG * points - model.transformer.wpe.weight[:1]
    assert torch.allclose(aimed.vectors[0], expected)


def test_the_model_is_left_as_it_was() -> None:
    model = planted(SURROUNDED)
    norm, before = model.transformer.ln_f, model.lm_head.weight.clone()
    aim(model, ceilings(model, torch.tensor([0])).points)
    assert model.transformer.ln_f is norm
    assert torch.equal(model.lm_head.weight, before)


def test_in_a_large_model_states_inside_are_not_solved_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model = planted(SURROUNDED)
    found = ceilings(model, torch.tensor([0, 1]))
    monkeypatch.setattr(aiming, "MOST_WORK", 12 * 2 * 4**3 - 1)  # one less than it has
    aimed = aim(model, found.points)
    assert (aimed.inside, aimed.solved) == (1, None)
    long = aiming.LONG * found.points.float() - model.transformer.wpe.weight[:2]
    torch.testing.assert_close(aimed.vectors[0], long, rtol=1e-5, atol=1e-3)
    monkeypatch.setattr(aiming, "MOST_WORK", 12 * 2 * 4**3)
    assert aim(model, found.points).solved == 1
