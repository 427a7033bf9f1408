"""The loss on a text: of every token but the first, once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.gpt.loss import mean_loss
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
