"""A prompt of ten words, and the two that the model writes after it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from looking_glass.attention.continuation import continuation_of, continue_prompt
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.text.reader import Reader
from tests.helpers.models import make_model

TEN_WORDS = "Alice was beginning to get very tired of sitting by"


def test_the_eleventh_word_is_the_models_and_its_predictor_stands_before_it(
    tiny: GPT, tokenizer: Reader
) -> None:
    sentence = continue_prompt(tiny, tokenizer, TEN_WORDS)
    assert [word.text for word in sentence.words[:9]] == TEN_WORDS.split()[:9]
    assert len(sentence.words) == 12
    assert sentence.words[-1].stop == len(sentence.tokens)
    assert sentence.eleventh.start == sentence.predicting + 1
    ids = torch.tensor([sentence.tokens])
    prompt = len(tokenizer.encode(TEN_WORDS))
    choices = tiny(ids)[0].argmax(-1).tolist()
    assert choices[prompt - 1 : -1] == sentence.tokens[prompt:], "greedy, every one"
    assert sentence.chosen == choices[sentence.predicting]
    assert continuation_of(tokenizer, sentence.tokens) == sentence
    assert continue_prompt(tiny, tokenizer, f"{TEN_WORDS}  ") == sentence, "blanks at its end"


@pytest.mark.parametrize("n", [0, 1, 9, 11])
def test_a_prompt_of_another_length_is_refused(tiny: GPT, tokenizer: Reader, n: int) -> None:
    prompt = " ".join(["word"] * n)
    with pytest.raises(InputError, match=rf"exactly 10 words are required.* got {n} "):
        continue_prompt(tiny, tokenizer, prompt)


def test_a_prompt_that_leaves_no_room_for_two_words_is_refused(tokenizer: Reader) -> None:
    model = make_model(vocab_size=50_257, block_size=11)
    told = (
        r"2 whole words after the 10 tokens of .* within a block of 11; it did not: choose another "
        r"prompt or a larger model\.block_size$"
    )
    with pytest.raises(InputError, match=told):
        continue_prompt(model, tokenizer, TEN_WORDS)
    with pytest.raises(InputError, match="within a block of 4"):
        continue_prompt(make_model(vocab_size=50_257, block_size=4), tokenizer, TEN_WORDS)


@pytest.mark.parametrize("token", [11, 262])
def test_a_model_that_repeats_itself_is_to_be_trained_longer(tokenizer: Reader, token: int) -> None:
    model = make_model(vocab_size=50_257, block_size=64, tie_weights=False)
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.fill_(1.0)
        model.lm_head.weight.zero_()
        model.lm_head.weight[token] = 1.0
    if tokenizer.decode([token]).startswith(" "):
        assert continue_prompt(model, tokenizer, TEN_WORDS).eleventh.text == "the"
        return
    told = r"it repeats ',,,.*1 different among 54 tokens.*train longer \(train\.steps\)"
    with pytest.raises(InputError, match=told):
        continue_prompt(model, tokenizer, TEN_WORDS)
    for room, verdict in ((7, "it did not"), (8, "it repeats")):  # seven may be a chance
        model.config = dataclasses.replace(model.config, block_size=10 + room)
        with pytest.raises(InputError, match=verdict):
            continue_prompt(model, tokenizer, TEN_WORDS)
