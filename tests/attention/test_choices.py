"""Choices: the most probable token, or a given one explained in its place."""

from __future__ import annotations

import pytest
import torch

from looking_glass.attention.choices import choose
from looking_glass.attention.traced import TracedSentence
from looking_glass.gpt.model import GPT
from tests.helpers.models import make_model


def test_a_given_token_is_explained_in_place_of_the_best(
    model: GPT, traced: TracedSentence
) -> None:
    contexts = traced.choices.contexts
    third = model(contexts)[:, -1].topk(3).indices[:, 2]
    top = model(contexts)[0, -1].topk(2)
    assert [int(traced.choices.chosen[0]), int(traced.choices.second[0])] == top.indices.tolist()
    assert float(traced.choices.margins[0]) == pytest.approx(
        float(top.values.diff().abs()), abs=1e-5
    )
    told = choose(model, contexts, third)
    assert told.second.tolist() == traced.choices.chosen.tolist()
    assert float(told.margins[0]) < 0
    assert told.log_probs[0] < traced.choices.log_probs[0]


def test_many_contexts_are_chosen_for_as_each_alone() -> None:
    model = make_model()
    contexts = torch.randint(97, (7, 5))
    whole = choose(model, contexts)
    for index in range(7):
        alone = choose(model, contexts[index : index + 1])
        assert int(alone.chosen) == int(whole.chosen[index])
        assert torch.allclose(alone.log_probs[0], whole.log_probs[index], atol=1e-5)
        for ours, theirs in zip(whole.patterns, alone.patterns, strict=True):
            assert torch.allclose(ours[index], theirs[0], atol=1e-6)
