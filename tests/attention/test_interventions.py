"""Interventions do what they say: attention removed, a token replaced, a part left out."""

from __future__ import annotations

import math

import pytest
import torch

from looking_glass.attention.choices import choose, last_logits
from looking_glass.attention.interventions import (
    all_knock_outs,
    knock_outs,
    logits_without,
    replaceable,
    replacements,
)
from looking_glass.gpt.model import GPT
from tests.helpers.cases import logits_of_kept, spans
from tests.helpers.models import make_model

CONTEXTS = torch.tensor([[3, 60, 8, 11, 5], [9, 9, 1, 70, 2]])
NEXT = (torch.arange(97) + 1) % 97
WORDS = spans([1, 3, 1])


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
    effects = knock_outs(model, choices, [1], sources=WORDS)
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


@pytest.mark.parametrize("n_layer", [1, 2, 3])
def test_without_a_word_in_every_row_it_might_as_well_not_be_written(n_layer: int) -> None:
    model = make_model(n_layer=n_layer)
    words = spans([2, 1, 3, 2])
    context = torch.randint(97, (8,))
    found = logits_without(model, context, range(n_layer), sources=words, every_row=True)
    for index, (start, stop) in enumerate(words):
        kept = [place for place in range(8) if not start <= place < stop]
        expected = logits_of_kept(model, context, kept)
        assert torch.allclose(found[index], expected, atol=1e-4), index
    last_row = logits_without(model, context, range(n_layer), sources=words)
    same = [torch.allclose(a, b, atol=1e-4) for a, b in zip(found, last_row, strict=True)]
    # One block alone passes nothing on, and nothing comes after the last word.
    assert same == ([True] * 4 if n_layer == 1 else [False] * 3 + [True])


def relay() -> GPT:
    """Return a model in which the second position takes the first token over, and the third that.

    Channels: 0 to 2 tell positions, 3 to 5 tokens, 6 to 8 what was passed on and is read out.
    """
    model = make_model(vocab_size=3, block_size=3, n_head=1, n_embd=16, tie_weights=False)
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if "ln_" in name and name.endswith("weight") else 0.0)
    three = torch.arange(3)
    model.transformer.wpe.weight[three, three] = 4.0
    model.transformer.wte.weight[three, three + 3] = 4.0
    model.lm_head.weight[three, three + 6] = 4.0
    # A row of each block attends to one position, all the others to themselves.
    for block, (row, source, read) in enumerate([(1, 0, 3), (2, 1, 6)]):
        attention = model.transformer.blocks[block].attn
        query, key, value = torch.split(attention.c_attn.weight, 16)  # (C, C) each
        for place in range(3):
            query[source if place == row else place, place] = 30.0
        key[three, three] = 1.0
        value[three + 6, three + read] = 1.0
        attention.c_proj.weight[three + 6, three + 6] = 4.0
    return model


def test_what_another_position_passes_on_is_lost_only_in_every_row() -> None:
    choices = choose(relay(), torch.tensor([[2, 1, 0]]))
    assert int(choices.chosen) == 2, "the first token, by way of the second position"
    last_row, every_row = (
        knock_outs(relay(), choices, [0, 1], every_row=every)[0] for every in (False, True)
    )
    assert abs(float(last_row[0])) < 1e-3, "the last row does not attend to it"
    assert float(every_row[0]) > 1, "and yet all comes from it"
    assert float(last_row[1]) > 1
    whole = all_knock_outs(relay(), choices, spans([1, 1, 1]))
    assert torch.allclose(whole[2:], torch.stack([last_row, every_row]), atol=1e-5)


@pytest.mark.parametrize("n_layer", [1, 3])
def test_all_knock_outs_at_once_are_those_that_are_had_one_by_one(n_layer: int) -> None:
    model = make_model(n_layer=n_layer)
    choices = choose(model, torch.randint(97, (1, 9)))
    words = spans([3, 1, 2, 2, 1])
    everywhere = range(n_layer)
    one_by_one = [knock_outs(model, choices, [block], sources=words)[0] for block in everywhere]
    one_by_one += [
        knock_outs(model, choices, everywhere, sources=words, every_row=rows)[0]
        for rows in (False, True)
    ]
    found = all_knock_outs(model, choices, words)
    assert torch.allclose(found, torch.stack(one_by_one), atol=1e-5)
    assert found.abs().max() > 1e-3


def test_a_source_that_is_all_there_is_leaves_nothing() -> None:
    model = make_model()
    choices = choose(model, CONTEXTS[:1])
    whole = spans([5])
    for every_row in (False, True):
        effect = knock_outs(model, choices, [0], sources=whole, every_row=every_row)
        assert bool(effect.isnan().all())


def test_a_replacement_is_another_token_in_the_same_place() -> None:
    model = make_model()
    choices = choose(model, CONTEXTS)
    effects = replacements(model, choices, NEXT)
    for index, context in enumerate(CONTEXTS):
        chosen = int(choices.chosen[index])
        for source in range(5):
            changed = context.clone()
            changed[source] += 1
            logits = model(changed[None])[0, -1]
            best_rival = max(float(x) for i, x in enumerate(logits) if i != chosen)
            expected = float(choices.margins[index]) - (float(logits[chosen]) - best_rival)
            assert float(effects[index, source]) == pytest.approx(expected, abs=1e-4)


def test_a_source_that_nothing_can_stand_in_for_has_no_number() -> None:
    model = make_model()
    matched = NEXT.clone()
    matched[[8, 9]] = torch.tensor([8, 9])
    choices = choose(model, CONTEXTS)
    assert replaceable(CONTEXTS[0], matched, WORDS).tolist() == [True, False, True]
    by_token = replacements(model, choices, matched)
    assert by_token.isnan().tolist() == [
        [False, False, True, False, False],
        [True] * 2 + [False] * 3,
    ]
    by_word = replacements(model, choices, matched, WORDS)
    assert by_word.isnan().tolist() == [[False, True, False], [True, True, False]]
    plain = replacements(model, choices, NEXT)
    known = ~by_token.isnan()
    assert torch.equal(by_token[known], plain[known])
    assert not any(math.isclose(float(x), 0.0, abs_tol=1e-6) for x in by_token[known])
