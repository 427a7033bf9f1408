"""Where sentences end, and which ones are compared."""

from __future__ import annotations

import numpy as np
import pytest

from looking_glass.likelihood.sentences import (
    continuation,
    has_ended,
    held_out,
    prompt_tokens,
    sentence_length,
    shuffled,
    users_sentences,
)
from looking_glass.pipeline.errors import InputError
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.likelihood import params


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("She ran. Then she", "She ran."),
        ("'Oh dear!' said Alice.", "'Oh dear!'"),
        ("no end at all", "no end at all"),
        ("\n\nShe ran\n\nThen", "\n\nShe ran"),
        ("\n\n'Why,' she\n\n'Oh!'", "\n\n'Why,' she"),
        ("Why?", "Why?"),
    ],
)
def test_where_a_sentence_ends(tokenizer: Tokenizer, text: str, sentence: str) -> None:
    tokens = tokenizer.encode(text)
    n = sentence_length(tokenizer.decode_each(tokens))
    assert tokenizer.decode(tokens[:n]) == sentence
    assert has_ended(sentence) == (sentence[-1] in ".!?'")


def test_a_prompt_is_required_and_must_leave_room(tokenizer: Tokenizer) -> None:
    assert prompt_tokens(tokenizer, params(), 16) == [198, 198]
    with pytest.raises(InputError, match="at least one token is required"):
        prompt_tokens(tokenizer, params(prompt=""), 16)
    assert len(prompt_tokens(tokenizer, params(prompt="a b c d e"), 16)) == 5
    with pytest.raises(InputError, match="must fit in a block of 16"):
        prompt_tokens(tokenizer, params(prompt="a b c d e f"), 16)
    with pytest.raises(InputError, match="stride: at most the block, 16 tokens"):
        prompt_tokens(tokenizer, params(stride=17), 16)


def test_words_are_kept_apart_from_the_prompts(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(continuation(tokenizer, "Alice", "was")) == " was"
    assert tokenizer.decode(continuation(tokenizer, "\n\n", "was")) == "was"
    assert tokenizer.decode(continuation(tokenizer, "Alice", " was")) == " was"
    assert tokenizer.decode(continuation(tokenizer, "", "was")) == " was"


@pytest.mark.parametrize("blanks", ["", " ", "  ", "   ", "\t", "\n", "\n\n", " \n"])
@pytest.mark.parametrize("text", ["to the rabbit", "'s hat", "12", "🐿️ ran"])
def test_a_continuation_is_the_tokens_of_the_joined_text(
    tokenizer: Tokenizer, blanks: str, text: str
) -> None:
    prompt = f"said the cat{blanks}"
    apart = " " if not blanks and not text[:1].isspace() else ""
    tokens = tokenizer.encode_prompt(prompt) + continuation(tokenizer, prompt, text)
    assert tokens == tokenizer.encode(f"{prompt}{apart}{text}")


def test_a_text_that_changes_the_prompts_own_tokens_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="must end where a token of the joined text ends"):
        continuation(tokenizer, "said the cat\n", "\n\nThen")


def test_a_blank_at_the_prompts_end_changes_nothing(tokenizer: Tokenizer) -> None:
    bare, blank = ("said the cat", "said the cat ")
    assert continuation(tokenizer, blank, "to it") == continuation(tokenizer, bare, "to it")
    mixed = [shuffled(tokenizer, prompt, "to the rabbit", seed=1) for prompt in (bare, blank)]
    assert mixed[0] == mixed[1]


def test_the_users_sentences_are_named_and_empty_ones_refused(tokenizer: Tokenizer) -> None:
    (one,) = users_sentences(tokenizer, params(sentences=["🐿️"]))
    assert one.name == "yours"
    assert tokenizer.decode(one.tokens) == "🐿️"
    two = users_sentences(tokenizer, params(sentences=["a", "b c"]))
    assert [sentence.name for sentence in two] == ["yours 1", "yours 2"]
    for empty in ("", " \n"):
        with pytest.raises(InputError, match="text is required in each, but number 2 is"):
            users_sentences(tokenizer, params(sentences=["a", empty]))


def test_shuffling_keeps_the_words(tokenizer: Tokenizer) -> None:
    text = "one two three four five"
    found = tokenizer.decode(shuffled(tokenizer, "\n\n", text, 1).tokens)
    assert found != text
    assert sorted(found.split()) == sorted(text.split())
    again, other = (shuffled(tokenizer, "\n\n", text, seed).tokens for seed in (1, 2))
    assert tokenizer.decode(again) == found != tokenizer.decode(other)


def test_the_held_out_sentence_begins_a_paragraph(tokenizer: Tokenizer) -> None:
    def found(text: str) -> str:
        tokens = np.array(tokenizer.encode(text), dtype=np.uint16)
        return tokenizer.decode(held_out(tokenizer, tokens).tokens)

    assert found("tail of one.\n\n'Well!' she said. More.") == "'Well!'"
    assert found("no paragraph here. More.") == "no paragraph here."
    assert found("one.\n\nlast words without an end") == "last words without an end"
