"""Every measure is there for every source, and finds a planted one."""

from __future__ import annotations

import pytest
import torch

from looking_glass.attention.choices import choose
from looking_glass.attention.interventions import replacements
from looking_glass.attention.measures import (
    MEASURES,
    Measures,
    in_order,
    in_shares,
    measure_block,
    measure_model,
)
from looking_glass.pipeline.compute import ComputeParams
from tests.helpers.models import make_model

MATCHED = (torch.arange(97) + 1) % 97


def test_every_measure_is_there_for_every_source() -> None:
    model = make_model()
    choices = choose(model, torch.randint(97, (3, 6)))
    block, everywhere = measure_block(model, choices, 1), measure_model(model, choices, MATCHED)
    measured = in_order(everywhere, block)
    assert list(measured) == ["attention", *MEASURES]
    assert all(values.shape == (3, 6) for values in measured.values())
    assert torch.allclose(measured["attention"].sum(dim=1), torch.ones(3))
    assert not torch.allclose(measured["knock_out"], measured["knock_out_all_blocks"])
    with pytest.raises(KeyError, match="knock_out_all_blocks"):
        in_order(block)


def test_a_planted_source_is_ranked_first_by_every_measure(planted: tuple[Measures, int]) -> None:
    measured, source = planted
    for name in MEASURES:
        found = (measured[name].argmax(dim=1) == source).float().mean()
        assert found > 0.95, (name, found)


def test_shares_worked_on_side_by_side_make_up_the_whole() -> None:
    model = make_model()
    choices = choose(model, torch.randint(97, (11, 6)))
    compute = ComputeParams(device="cpu", threads=1)
    shared = in_shares(lambda share: measure_model(model, share, MATCHED), choices, compute)
    assert torch.allclose(shared["replacement"], replacements(model, choices, MATCHED), atol=1e-5)
