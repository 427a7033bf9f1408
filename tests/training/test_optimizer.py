"""Muon and AdamW: what decays by how much, and the rate of each step."""

from __future__ import annotations

from itertools import pairwise

import pytest

from looking_glass.training.optimizer import rate_factor, set_rates
from tests.helpers.training import settings, start


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.1, 0.1), (0.1, 0.0), (0.0, 0.1), (0.2, 0.1)])
def test_every_parameter_learns_whatever_the_decays(
    decays: tuple[float, float], optimizer: str
) -> None:
    matrices, embeddings = decays
    run = start(weight_decay=matrices, embedding_decay=embeddings, optimizer=optimizer)
    groups = [group for one in run.optimizers for group in one.param_groups]
    decay_of = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    learned = {n: p for n, p in run.learner.named_parameters() if p.requires_grad}
    assert len(decay_of) == sum(len(group["params"]) for group in groups) == len(learned)
    for name, parameter in learned.items():
        table = name.startswith(("inputs", "outputs"))
        in_block = ".h." in name and parameter.ndim == 2 and "c_attn" not in name
        expected = embeddings if table else matrices if in_block else 0.0
        assert decay_of[id(parameter)] == expected, name
    if optimizer == "muon":
        names = {id(p): name for name, p in learned.items()}
        muons = [names[id(p)] for group in run.optimizers[0].param_groups for p in group["params"]]
        assert len(muons) == 4, "of one block"
        assert all(".h.0." in name and name.endswith("weight") for name in muons)


def test_rates_warm_up_peak_and_fall_to_zero() -> None:
    params = settings(steps=100, warmup_steps=10, learning_rate=1.0, matrix_rate=3.0)
    factors = [rate_factor(step, params) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == max(factors) == 1.0
    assert 0 < factors[-1] < 1e-3
    assert all(a > b for a, b in pairwise(factors[10:]))
    run = start(steps=100, warmup_steps=10, learning_rate=1.0, matrix_rate=3.0)
    for step in (0, 10, 60):
        set_rates(run.optimizers, step, params)
        rates = [group["lr"] for one in run.optimizers for group in one.param_groups]
        assert rates == pytest.approx([factor * factors[step] for factor in (3, 3, 1, 1)])
