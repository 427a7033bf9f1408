"""A sentence as the model saw it, word by word in every block and head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.attention import patterns
from looking_glass.attention.interventions import knock_outs
from looking_glass.attention.traced import (
    TracedSentence,
    block_arrays,
    trace_sentence,
    word_arrays,
)
from looking_glass.gpt.model import GPT
from looking_glass.text.reader import Reader


def test_the_choice_is_seen_with_all_that_it_saw(model: GPT, traced: TracedSentence) -> None:
    sentence = traced.sentence
    assert traced.choices.contexts.tolist() == [sentence.tokens[: sentence.predicting + 1]]
    assert traced.choices.chosen.tolist() == [sentence.chosen]
    assert traced.spans == [(word.start, word.stop) for word in sentence.words[:10]]
    assert list(traced.own) == list(range(sentence.predicting + 1, sentence.eleventh.stop))
    assert "".join(traced.texts[i] for i in traced.own).strip() == traced.words[10]


def test_all_blocks_are_seen_from_every_word(model: GPT, traced: TracedSentence) -> None:
    found = word_arrays(model, traced)
    assert found["predicting"].shape == found["own"].shape == (2, 2, 12, 12)
    np.testing.assert_allclose(found["own"].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(found["predicting"][:, :, 1:].sum(-1), 1, atol=1e-5)
    assert (found["effect"].triu(0) == 0).all()
    knocked = knock_outs(model, traced.choices, [1], sources=traced.spans)[0]
    np.testing.assert_allclose(found["effect"][1, 10, :10], knocked, atol=1e-5)


def test_a_blocks_words_are_the_mean_over_its_heads(model: GPT, traced: TracedSentence) -> None:
    found, of_heads = block_arrays(traced, 0), word_arrays(model, traced)["own"][0]
    np.testing.assert_allclose(found["words"], of_heads.mean(dim=0), atol=1e-6)
    assert torch.equal(found["pattern"], traced.patterns[0])


def test_a_row_that_does_not_sum_to_one_stops_the_stage(
    model: GPT, tokenizer: Reader, traced: TracedSentence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halved(*arguments: object) -> torch.Tensor:
        return pattern(*arguments) / 2  # type: ignore[arg-type]

    pattern = patterns.attention_pattern
    monkeypatch.setattr(patterns, "attention_pattern", halved)
    with pytest.raises(AssertionError, match=r"a row of attention sums to 1, off by 0\.5"):
        trace_sentence(model, tokenizer, traced.sentence)
