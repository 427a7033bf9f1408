"""Every set's value is what the model says with those words alone, whichever way they are taken."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.attention.choices import choose
from looking_glass.attention.interventions import knock_outs
from looking_glass.gpt.model import GPT
from looking_glass.yardstick.coalitions import (
    removed_values,
    replaced_values,
)
from looking_glass.yardstick.shapley import members
from tests.helpers.cases import left_out_one, logits_of_kept, spans
from tests.helpers.models import make_model

# Words of one to three tokens, the last one of one or of many.
LENGTHS = ([1], [3], [2, 1], [1, 2], [1, 3, 2], [2, 1, 1], [1, 2, 3, 1], [3, 1, 1, 2])
TARGET = 41


def positions(words: list[tuple[int, int]], holds: Tensor) -> list[int]:
    """Return the positions of the words that a set holds (n,)."""
    return [
        place
        for (start, stop), there in zip(words, holds.tolist(), strict=True)
        if there
        for place in range(start, stop)
    ]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n_layer", [2, 3])
def test_words_outside_a_set_might_as_well_not_be_written(n_layer: int, tied: bool) -> None:
    model = make_model(n_layer=n_layer, tie_weights=tied)
    for lengths in LENGTHS:
        words = spans(lengths)
        context = torch.randint(97, (sum(lengths),))
        found = removed_values(model, context, words, TARGET)
        expected = torch.stack(
            [
                logits_of_kept(model, context, positions(words, holds)).log_softmax(-1)[TARGET]
                for holds in members(len(words))
            ]
        )
        assert found.dtype == torch.float64
        assert torch.allclose(found.float(), expected, atol=1e-4), lengths
        assert len(set(found.tolist())) == 2 ** len(words), "no two sets are worth the same"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("n_layer", [2, 3])
def test_words_outside_a_set_are_replaced_token_by_token(n_layer: int, tied: bool) -> None:
    model = make_model(n_layer=n_layer, tie_weights=tied)
    for lengths in LENGTHS:
        words = spans(lengths)
        context, others = torch.randint(97, (2, sum(lengths)))
        start, stop = words[len(words) // 2]
        others[start:stop] = context[start:stop]  # a word that nothing else can stand in for
        found = replaced_values(model, context, others, words, TARGET)
        for number, holds in enumerate(members(len(words))):
            written = others.clone()
            kept = positions(words, holds)
            written[kept] = context[kept]
            expected = model(written[None])[0, -1].log_softmax(-1)[TARGET]
            assert float(found[number]) == pytest.approx(float(expected), abs=1e-4), lengths


def without_attention(model: GPT, context: Tensor) -> float:
    """Return log p(TARGET) after `context` when attention adds its bias and no more."""
    place = len(context) - 1
    x = model.embed(context[-1]) + model.transformer.wpe.weight[place]
    for block in model.transformer.blocks:
        x = x + block.attn.c_proj.bias
        x = x + block.mlp(block.ln_2(x))
    return float(model.lm_head(model.transformer.ln_f(x)).log_softmax(-1)[TARGET])


def test_the_empty_and_the_full_set_worked_by_hand() -> None:
    model = make_model()
    context = torch.randint(97, (6,))
    found = removed_values(model, context, spans([1, 3, 2]), TARGET)
    assert float(found[0]) == pytest.approx(without_attention(model, context), abs=1e-5)
    plain = model(context[None])[0, -1].log_softmax(-1)[TARGET]
    assert float(found[-1]) == pytest.approx(float(plain), abs=1e-5)


def test_one_word_left_out_is_its_knock_out_from_every_row() -> None:
    model = make_model(n_layer=3)
    context = torch.randint(97, (1, 9))
    choices, words = choose(model, context), spans([3, 1, 2, 2, 1])
    values = removed_values(model, context[0], words, int(choices.chosen))
    knocked = knock_outs(model, choices, range(3), sources=words, every_row=True)[0]
    assert torch.allclose(left_out_one(values).float(), knocked, atol=1e-5)
    assert knocked.abs().max() > 1e-2
