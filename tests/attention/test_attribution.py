"""The parts of a logit add up to it."""

from __future__ import annotations

import pytest
import torch

from looking_glass.attention.attribution import carried, direct, direct_constant, parts_of
from looking_glass.attention.choices import choose
from looking_glass.attention.interventions import knock_outs, single
from tests.helpers.models import make_model

CONTEXTS = torch.tensor([[3, 60, 8, 11, 5], [9, 9, 1, 70, 2]])


def test_the_parts_of_a_logit_add_up_to_it() -> None:
    model = make_model()
    tokens = CONTEXTS[0]
    parts = parts_of(model, tokens)
    assert len(parts.names) == len(parts.values) == 2 + 2 * (2 + 1 + 1)
    logits = model(tokens[None])[0, -1]
    for target in (0, 41, 96):
        total = direct(model, parts, parts.values, target).sum() + direct_constant(model, target)
        assert float(total) == pytest.approx(float(logits[target]), abs=1e-4)


def test_what_heads_carry_from_their_sources_adds_up_to_what_they_add() -> None:
    model = make_model()
    parts = parts_of(model, CONTEXTS[0])
    for block, moved in enumerate(parts.moved):
        for head in range(2):
            place = parts.names.index(f"block {block + 1}, head {head + 1}")
            assert torch.allclose(moved[head].sum(dim=0), parts.values[place], atol=1e-5)
        all_heads = moved.sum(dim=0)  # (T, C)
        assert torch.allclose(carried(parts, block, single(5)), all_heads)
        word = carried(parts, block, [(1, 4)])
        assert torch.allclose(word[0], all_heads[1:4].sum(dim=0), atol=1e-6)


def test_a_head_without_output_carries_nothing_and_costs_nothing() -> None:
    model = make_model()
    with torch.no_grad():  # the second head of the first block
        model.transformer.blocks[0].attn.c_proj.weight[:, 4:] = 0
    assert (parts_of(model, CONTEXTS[0]).moved[0][1] == 0).all()
    effects = knock_outs(model, choose(model, CONTEXTS), [0], head=1)
    assert effects.abs().max() < 1e-5
    assert knock_outs(model, choose(model, CONTEXTS), [0], head=0).abs().max() > 1e-4
