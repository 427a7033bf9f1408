"""The softmax over all tokens, with those that differ by a number alone taken together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from looking_glass.gpt.siblings import CHANNELS, ROWS, STEP, OutputLayer, numbered, output_layer
from tests.helpers.models import make_model

C = CHANNELS + 8


def families(sizes: list[int], *, seed: int = 0) -> Tensor:
    """Return rows of families of these sizes, told apart by their numbers, in any order: (V, C)."""
    generator = torch.Generator().manual_seed(seed)
    of = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    of = of[torch.randperm(len(of), generator=generator)]
    numbers = torch.stack([(of[:place] == one).sum() for place, one in enumerate(of)])
    rows = torch.randn(len(sizes), C, generator=generator)[of]
    rows[:, -CHANNELS:] += numbered(numbers, torch.tensor(sizes)[of])
    return rows


def all_log_probs(hidden: Tensor, weight: Tensor) -> Tensor:
    return (hidden @ weight.T).double().log_softmax(dim=1)


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_siblings_taken_together_are_those_taken_one_by_one(sizes: list[int], seed: int) -> None:
    weight = families(sizes, seed=seed)
    hidden = 3 * torch.randn(5, C, generator=torch.Generator().manual_seed(seed))
    output = OutputLayer(weight)
    assert sum(map(len, output.runs.values())) == sum(size.bit_count() for size in sizes)
    assert sum(2**k * len(rows) for k, rows in output.runs.items()) == sum(sizes)
    expected = all_log_probs(hidden, weight)
    for token in range(0, len(weight), 7):
        found = output.log_probs(hidden, torch.full((5,), token))
        assert found.dtype == torch.float64
        assert torch.allclose(found, expected[:, token], atol=1e-5)


def test_three_siblings_worked_by_hand() -> None:
    weight = torch.zeros(3, C)
    weight[:, 0] = 1.0
    weight[:, -CHANNELS:] = numbered(torch.arange(3), torch.tensor([3, 3, 3]))
    assert weight[2, -CHANNELS:].tolist() == pytest.approx([-STEP, STEP] + [0.0] * (CHANNELS - 2))
    output = OutputLayer(weight)
    # 3 is 11 in binary: 00 and 01 share their higher digit, and 10 is alone.
    assert {k: len(rows) for k, rows in output.runs.items()} == {0: 1, 1: 1}
    hidden = torch.zeros(1, C)
    hidden[0, -CHANNELS] = 0.5 / STEP  # the lowest digit is worth 1 logit
    found = output.log_probs(hidden, torch.tensor([1]))
    total = torch.tensor([-0.5, 0.5, -0.5]).exp().sum()
    assert float(found) == pytest.approx(0.5 - float(total.log()), abs=1e-6)


def test_the_gradient_is_the_one_that_pytorch_finds() -> None:
    weight = families([1, 1, 30, 7, 2])
    hidden = torch.randn(6, C, requires_grad=True)
    for token in (0, 20, 40):
        log_probs = (hidden @ weight.T).log_softmax(dim=1)[:, token]
        (expected,) = torch.autograd.grad(log_probs.sum(), hidden)
        found = OutputLayer(weight).log_prob_gradients(hidden, token)
        assert torch.allclose(found, expected, atol=1e-6)


def test_rows_that_only_look_like_siblings_are_summed_one_by_one() -> None:
    weight = families([6, 5])
    hidden = torch.randn(5, C)
    alike = weight.clone()
    alike[3, -1] += 1e-3  # one of them no longer has its number's digits
    same = torch.cat([weight, weight])  # each number twice
    for rows in (alike, same, torch.ones(9, C)):
        expected = all_log_probs(hidden, rows)
        found = torch.stack(
            [OutputLayer(rows).log_probs(hidden, torch.full((5,), t)) for t in range(len(rows))], 1
        )
        assert torch.allclose(found, expected, atol=1e-5)
    assert 0 < sum(len(found) for k, found in OutputLayer(alike).runs.items() if k) < 4


@pytest.mark.parametrize("width", [8, CHANNELS, CHANNELS + 1])
def test_log_probs_are_those_of_all_tokens(width: int) -> None:
    weight = torch.randn(2 * ROWS + 7, width)
    hidden, targets = 3 * torch.randn(50, width), torch.randint(len(weight), (50,))
    targets[:3] = torch.tensor([0, ROWS, len(weight) - 1])
    expected = all_log_probs(hidden, weight).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(OutputLayer(weight).log_probs(hidden, targets), expected, atol=1e-5)


def test_log_probs_hold_what_float32_cannot_sum() -> None:
    weight, hidden = torch.randn(ROWS + 7, 8), 100 * torch.randn(50, 8)
    expected = all_log_probs(hidden, weight)
    least, targets = expected.min(dim=1)
    targets[::2] = expected[::2].argmax(dim=1)  # beside some that are as good as certain
    assert float(least.min()) < -200
    found = OutputLayer(weight).log_probs(hidden, targets)
    expected = expected.gather(1, targets[:, None])[:, 0]
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-3)


def test_a_models_output_layer_is_made_ready_once_until_its_weight_changes() -> None:
    model, other = make_model(), make_model()
    first = output_layer(model)
    assert output_layer(model) is first
    assert output_layer(other) is not first
    with torch.no_grad():
        model.transformer.wte.weight.mul_(2)
    changed = output_layer(model)
    assert changed is not first
    hidden, targets = torch.randn(3, model.config.n_embd), torch.tensor([1, 5, 9])
    expected = (hidden @ model.lm_head.weight.T).log_softmax(1).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(changed.log_probs(hidden, targets).float(), expected, atol=1e-5)
    model.double()  # another tensor in its place
    assert output_layer(model) is not changed
