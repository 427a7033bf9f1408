"""A model that learned nothing is as like the trained one as can be."""

from __future__ import annotations

import torch

from looking_glass.attention.redrawn import redrawn
from tests.helpers.models import make_model


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_matrix_is_drawn_anew_with_its_mean_and_spread() -> None:
    model = make_model(n_embd=32, vocab_size=500)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(3).add_(1)  # a mean and a spread of its own
    before = {name: value.clone() for name, value in model.state_dict().items()}
    other = redrawn(model, seeded())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert not other.training
    assert other.config == model.config
    for name, value in other.state_dict().items():
        old = before[name]
        assert value.shape == old.shape, name
        if value.ndim < 2:
            assert torch.equal(value, old), f"{name}: biases and norms are kept"
            continue
        n, spread = old.numel(), float(old.std())
        assert abs(float(torch.corrcoef(torch.stack([value.flatten(), old.flatten()]))[0, 1])) < 0.2
        assert abs(float(value.mean() - old.mean())) < 4 * spread / n**0.5, name
        assert abs(float(value.std()) / spread - 1) < 4 / n**0.5, name


def test_tied_weights_stay_tied_and_others_apart() -> None:
    for tied in (True, False):
        other = redrawn(make_model(tie_weights=tied), seeded())
        assert (other.lm_head.weight is other.transformer.wte.weight) is tied


def test_the_seed_decides() -> None:
    model = make_model()
    drawn = [redrawn(model, seeded(seed)).transformer.wpe.weight for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
