"""Interventions do what they say: attention removed, a token replaced, a part left out."""

from __future__ import annotations

import pytest
import torch

from looking_glass.attention.choices import choose, last_logits
from looking_glass.attention.interventions import (
    knock_outs,
    logits_without,
    replacements,
)
from tests.helpers.models import make_model

CONTEXTS = torch.tensor([[3, 60, 8, 11, 5], [9, 9, 1, 70, 2]])


@pytest.mark.parametrize("blocks", [[0], [1], [0, 1]])
def test_a_knock_out_is_the_loss_of_one_edge_at_the_last_position(blocks: list[int]) -> None:
    model = make_model()
    choices = choose(model, CONTEXTS)
    effects = knock_outs(model, choices, blocks)
    for index, context in enumerate(CONTEXTS):
        plain = model(context[None])[0, -1].log_softmax(-1)
        assert int(choices.chosen[index]) == int(plain.argmax())
        for source in range(5):
            removed = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
            removed[..., -1, source] = True
            logits = last_logits(model, model.embed(context[None]), dict.fromkeys(blocks, removed))[
                0
            ][0]
            expected = (plain - logits.log_softmax(-1))[choices.chosen[index]]
            assert float(effects[index, source]) == pytest.approx(float(expected), abs=1e-4)


def test_a_word_is_knocked_out_with_all_of_its_tokens() -> None:
    model = make_model()
    choices = choose(model, CONTEXTS)
    spans = [(0, 1), (1, 4), (4, 5)]
    effects = knock_outs(model, choices, [1], sources=spans)
    assert effects.shape == (2, 3)
    removed = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    removed[..., -1, 1:4] = True
    logits = last_logits(model, model.embed(CONTEXTS[:1]), {1: removed})[0][0]
    expected = choices.log_probs[0] - logits.log_softmax(-1)[choices.chosen[0]]
    assert float(effects[0, 1]) == pytest.approx(float(expected), abs=1e-5)
    assert abs(float(effects[0, 1])) > 1e-4
    assert torch.allclose(effects[:, 0], knock_outs(model, choices, [1])[:, 0], atol=1e-6)


def test_one_head_alone_may_lose_a_source() -> None:
    model = make_model()
    removed = torch.zeros(1, 2, 5, 5, dtype=torch.bool)
    removed[:, 1, -1, 3] = True
    expected = last_logits(model, model.embed(CONTEXTS[:1]), {0: removed})[0][0]
    found = logits_without(model, CONTEXTS[0], [0], head=1)
    assert torch.allclose(found[3], expected, atol=1e-5)
    assert not torch.allclose(logits_without(model, CONTEXTS[0], [0], head=0)[3], expected)


def test_a_replacement_is_another_token_in_the_same_place() -> None:
    model = make_model()
    matched = (torch.arange(97) + 1) % 97
    choices = choose(model, CONTEXTS)
    effects = replacements(model, choices, matched)
    for index, context in enumerate(CONTEXTS):
        chosen = int(choices.chosen[index])
        for source in range(5):
            changed = context.clone()
            changed[source] += 1
            logits = model(changed[None])[0, -1]
            best_rival = max(float(x) for i, x in enumerate(logits) if i != chosen)
            expected = float(choices.margins[index]) - (float(logits[chosen]) - best_rival)
            assert float(effects[index, source]) == pytest.approx(expected, abs=1e-4)
