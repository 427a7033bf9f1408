"""Attention with its gradient written out: PyTorch's fused attention is the oracle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from looking_glass.gpt import short_attention
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import CausalSelfAttention
from looking_glass.gpt.short_attention import LONGEST, ShortAttention


def attention(n_head: int, hs: int, dropout: float = 0.0) -> CausalSelfAttention:
    width = n_head * hs
    config = GPTConfig(
        vocab_size=7,
        block_size=200,
        n_layer=1,
        n_head=n_head,
        n_embd=width,
        attention_dropout=dropout,
    )
    return CausalSelfAttention(config)


def fused(layer: CausalSelfAttention, packed: Tensor) -> Tensor:
    return layer.fused(*layer.heads(packed)).transpose(1, 2).flatten(2)


@settings(max_examples=30, deadline=None)
@given(B=st.integers(1, 3), T=st.integers(1, 12), n_head=st.integers(1, 4), hs=st.integers(1, 5))
def test_values_and_gradients_are_those_of_fused_attention(
    B: int, T: int, n_head: int, hs: int
) -> None:
    layer = attention(n_head, hs).eval()
    packed = torch.randn(B, T, 3 * n_head * hs, requires_grad=True)
    ours, theirs = short_attention.short_attention(packed, n_head), fused(layer, packed)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    weights = torch.randn_like(ours)
    gradients = [torch.autograd.grad((weights * one).sum(), packed)[0] for one in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_gradient_is_the_slope() -> None:
    packed = torch.randn(2, 4, 18, dtype=torch.float64, requires_grad=True)

    def attend(packed: Tensor) -> Tensor:
        return ShortAttention.apply(packed, 3)  # type: ignore[no-untyped-call, no-any-return]

    assert torch.autograd.gradcheck(attend, (packed,))


@pytest.mark.parametrize(
    ("T", "learns", "dropout", "ours"),
    [
        (LONGEST, True, 0.0, True),
        (LONGEST + 1, True, 0.0, False),
        (5, False, 0.0, False),
        (5, True, 0.5, False),
    ],
)
def test_it_is_for_short_sequences_that_want_a_gradient_and_drop_nothing(
    monkeypatch: pytest.MonkeyPatch, T: int, learns: bool, dropout: float, ours: bool
) -> None:
    layer = attention(2, 3, dropout=dropout)
    called = []
    whole = short_attention.short_attention

    def watched(packed: Tensor, n_head: int) -> Tensor:
        called.append(packed.shape)
        return whole(packed, n_head)

    monkeypatch.setattr(short_attention, "short_attention", watched)
    with torch.set_grad_enabled(learns):
        layer(torch.randn(1, T, 6))
    assert bool(called) is ours
