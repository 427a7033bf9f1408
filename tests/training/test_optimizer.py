"""AdamW: what decays by how much, and the rate of each step."""

from __future__ import annotations

from itertools import pairwise

import pytest

from looking_glass.training.optimizer import learning_rate_at
from tests.helpers.training import settings, start


@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.1, 0.1), (0.1, 0.0), (0.0, 0.1), (0.2, 0.1)])
def test_every_parameter_learns_whatever_the_decays(decays: tuple[float, float]) -> None:
    matrices, embeddings = decays
    run = start(weight_decay=matrices, embedding_decay=embeddings)
    decay_of = {
        id(p): group["weight_decay"]
        for group in run.optimizer.param_groups
        for p in group["params"]
    }
    learned = {n: p for n, p in run.learner.named_parameters() if p.requires_grad}
    assert len(decay_of) == len(learned)
    for name, parameter in learned.items():
        table = name.startswith(("inputs", "outputs"))
        expected = embeddings if table else matrices if parameter.ndim >= 2 else 0.0
        assert decay_of[id(parameter)] == expected, name


def test_rate_warms_up_peaks_and_falls_to_zero() -> None:
    params = settings(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate_at(step, params) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert 0 < rates[-1] < 1e-3
    assert all(a > b for a, b in pairwise(rates[10:]))
