"""The loss on a text: of every token but the first, once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.gpt.loss import ROWS, mean_loss, target_log_probs
from tests.helpers.models import make_model


@pytest.mark.parametrize("n", [2, 16, 17, 18, 200])
def test_mean_loss_scores_every_token_but_the_first_once(n: int) -> None:
    model = make_model()
    tokens = np.random.default_rng(0).integers(0, 97, n).astype(np.uint16)
    total = 0.0
    for index in range(1, n):
        start = (index - 1) // 16 * 16
        context = torch.from_numpy(tokens[start:index].astype(np.int64))[None]
        total -= model(context)[0, -1].log_softmax(-1)[int(tokens[index])].item()
    assert mean_loss(model, tokens) == pytest.approx(total / (n - 1), rel=1e-5)


def test_mean_loss_measures_in_eval_mode_and_puts_the_mode_back() -> None:
    model = make_model(dropout=0.5)
    tokens = np.arange(60, dtype=np.uint16)
    quiet = mean_loss(model, tokens)
    model.train()
    assert mean_loss(model, tokens) == quiet
    assert model.training


def test_target_log_probs_are_those_of_all_tokens() -> None:
    weight = torch.randn(2 * ROWS + 7, 8)
    hidden, targets = 3 * torch.randn(50, 8), torch.randint(len(weight), (50,))
    targets[:3] = torch.tensor([0, ROWS, len(weight) - 1])
    expected = _all_log_probs(hidden, weight).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(target_log_probs(hidden, weight, targets), expected, atol=1e-5)


def test_target_log_probs_hold_what_float32_cannot_sum() -> None:
    weight, hidden = torch.randn(ROWS + 7, 8), 100 * torch.randn(50, 8)
    expected = _all_log_probs(hidden, weight)
    least, targets = expected.min(dim=1)
    targets[::2] = expected[::2].argmax(dim=1)  # beside some that are as good as certain
    assert float(least.min()) < -200
    found = target_log_probs(hidden, weight, targets)
    expected = expected.gather(1, targets[:, None])[:, 0]
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-3)


def _all_log_probs(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (hidden @ weight.T).double().log_softmax(dim=1)
