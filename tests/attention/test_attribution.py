"""The parts of a logit add up to it, and what a part does to a log-probability is its gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.attention.attribution import (
    Parts,
    carried,
    direct,
    direct_constant,
    log_prob_of,
    logit_of,
    parts_of,
)
from looking_glass.attention.choices import choose
from looking_glass.attention.interventions import knock_outs, single
from looking_glass.gpt.model import GPT
from tests.helpers.models import make_model

CONTEXTS = torch.tensor([[3, 60, 8, 11, 5], [9, 9, 1, 70, 2]])


def test_the_parts_of_a_logit_add_up_to_it() -> None:
    model = make_model()
    tokens = CONTEXTS[0]
    parts = parts_of(model, tokens)
    assert len(parts.names) == len(parts.values) == 2 + 2 * (2 + 1 + 1)
    logits = model(tokens[None])[0, -1]
    for target in (0, 41, 96):
        towards = logit_of(model, target)
        total = direct(model, parts, parts.values, towards).sum()
        assert float(total) + direct_constant(model, towards) == pytest.approx(
            float(logits[target]), abs=1e-4
        )


def directional(model: GPT, parts: Parts, vectors: Tensor, target: int) -> Tensor:
    """Return the derivative of log p(target) along each vector, by autograd.

    Through the last LayerNorm written out, its scale a constant.
    """
    norm = model.transformer.ln_f
    stream = parts.values.sum(dim=0)
    scale = (stream.var(correction=0) + norm.eps).sqrt()
    stream.requires_grad_(True)
    normal = (stream - stream.mean()) / scale * norm.weight + norm.bias
    log_prob = model.lm_head(normal).log_softmax(dim=-1)[target]
    (gradient,) = torch.autograd.grad(log_prob, stream)
    return vectors @ gradient


def test_the_direct_effect_is_the_derivative_of_the_log_probability() -> None:
    model = make_model()
    parts = parts_of(model, CONTEXTS[0])
    for target in (0, 41, 96):
        towards = log_prob_of(model, parts, target)
        for vectors in (parts.values, carried(parts, 1, single(5))):
            found = direct(model, parts, vectors, towards)
            assert torch.allclose(found, directional(model, parts, vectors, target), atol=1e-5)
            assert found.abs().max() > 1e-3


def test_a_shift_common_to_all_tokens_changes_no_direct_effect() -> None:
    model = make_model(tie_weights=False)
    tokens, target = CONTEXTS[0], 41
    before = parts_of(model, tokens)
    sent = carried(before, 1, single(5))
    found = [
        direct(model, before, sent, towards)
        for towards in (log_prob_of(model, before, target), logit_of(model, target))
    ]
    probabilities = model(tokens[None])[0, -1].softmax(-1)
    model.lm_head.weight.add_(torch.randn(8))  # the same for every row
    assert torch.allclose(model(tokens[None])[0, -1].softmax(-1), probabilities, atol=1e-5)
    after = parts_of(model, tokens)
    same = direct(model, after, sent, log_prob_of(model, after, target))
    assert torch.allclose(same, found[0], atol=1e-5)
    raw = direct(model, after, sent, logit_of(model, target))
    assert not torch.allclose(raw, found[1], atol=1e-2), "the logit's own part is no such thing"


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
