"""Positions that are there from the start: heads that look a set distance back, on any shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.attention.patterns import trace
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.training.positions import (
    looking_back,
    position_channels,
    see_positions,
    turn,
)


def seeing(n_head: int, n_embd: int, block_size: int = 64, n_layer: int = 2) -> GPT:
    """A model at its start, its token rows clear of the channels of positions."""
    torch.manual_seed(1)
    config = GPTConfig(
        vocab_size=50, block_size=block_size, n_layer=n_layer, n_head=n_head, n_embd=n_embd
    )
    model = GPT(config).eval()
    see_positions(model)
    with torch.no_grad():
        model.transformer.wte.weight.mul_(2.5)  # as wide as the learner draws them
        model.transformer.wte.weight[:, : position_channels(config)] = 0.0
    return model


@pytest.mark.parametrize(
    ("n_head", "n_embd", "block_size"), [(6, 192, 64), (12, 768, 64), (4, 128, 256), (8, 512, 1024)]
)
def test_each_head_of_the_first_block_peaks_at_its_own_distance(
    n_head: int, n_embd: int, block_size: int
) -> None:
    model = seeing(n_head, n_embd, block_size)
    tokens = torch.randint(50, (2, block_size))
    pattern = trace(model, model.embed(tokens)).patterns[0].mean(dim=0)  # (nh, T, T)
    rows = torch.arange(block_size // 2, block_size)
    for head in range(looking_back(n_head)):
        assert (pattern[head, rows].argmax(dim=-1) == rows - head - 1).all(), head
        assert pattern[head, rows, rows - head - 1].mean() > 0.4


def test_the_last_head_is_left_as_it_was_drawn() -> None:
    torch.manual_seed(1)
    config = GPTConfig(vocab_size=50, block_size=64, n_layer=2, n_head=6, n_embd=192)
    drawn = GPT(config)
    model = seeing(6, 192)
    for ours, theirs in zip(model.transformer.blocks, drawn.transformer.blocks, strict=True):
        a, b = (x.attn.c_attn.weight.view(3, 6, 32, 192) for x in (ours, theirs))
        assert torch.equal(a[:, 5], b[:, 5])
        assert torch.equal(a[2], b[2]), "values are nobody's positions"
        assert not torch.equal(a[0, 0], b[0, 0])


@given(st.lists(st.floats(-7, 7), min_size=1, max_size=6), st.floats(-7, 7))
@settings(deadline=None)
def test_turning_sinusoids_is_adding_to_their_angle(angles: list[float], start: float) -> None:
    by = torch.tensor(angles, dtype=torch.float64)
    at = torch.full_like(by, start)
    turned = turn(by) @ torch.cat([at.cos(), at.sin()])
    assert torch.allclose(turned, torch.cat([(at + by).cos(), (at + by).sin()]), atol=1e-9)


@pytest.mark.parametrize(("n_head", "n_embd"), [(1, 8), (2, 16), (3, 33), (16, 64), (5, 100)])
def test_small_and_odd_shapes_hold_positions_too(n_head: int, n_embd: int) -> None:
    model = seeing(n_head, n_embd, block_size=16)
    assert torch.isfinite(model(torch.arange(16)[None])).all()
    assert position_channels(model.config) % 2 == 0


def test_a_head_too_small_is_refused_with_what_to_do() -> None:
    config = GPTConfig(vocab_size=5, block_size=8, n_layer=1, n_head=8, n_embd=16)
    with pytest.raises(InputError, match=r"model\.init.*n_embd 16 and n_head 8.*scratch"):
        position_channels(config)
