"""Where sentences end, and which ones are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from looking_glass.likelihood.sentences import (
    continuation,
    held_out,
    prompt_tokens,
    shuffled,
    users_sentences,
)
from looking_glass.pipeline.errors import InputError
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader
from tests.helpers.likelihood import params


def test_a_prompt_is_required_and_must_leave_room(tokenizer: Reader) -> None:
    assert prompt_tokens(tokenizer, params(), 16) == [198, 198]
    assert prompt_tokens(tokenizer, params(prompt=r"\n\n"), 16) == [198, 198], (
        "as params.yaml has it"
    )
    with pytest.raises(InputError, match="at least one token is required"):
        prompt_tokens(tokenizer, params(prompt=""), 16)
    assert len(prompt_tokens(tokenizer, params(prompt="a b c d e"), 16)) == 5
    with pytest.raises(InputError, match="must fit in a block of 16"):
        prompt_tokens(tokenizer, params(prompt="a b c d e f"), 16)
    with pytest.raises(InputError, match="stride: at most the block, 16 tokens"):
        prompt_tokens(tokenizer, params(stride=17), 16)


def test_words_are_kept_apart_from_the_prompts(tokenizer: Reader) -> None:
    assert tokenizer.decode(continuation(tokenizer, "Alice", "was")) == " was"
    assert tokenizer.decode(continuation(tokenizer, "\n\n", "was")) == "was"
    assert tokenizer.decode(continuation(tokenizer, "Alice", " was")) == " was"
    assert tokenizer.decode(continuation(tokenizer, "", "was")) == " was"


@pytest.mark.parametrize("blanks", ["", " ", "  ", "   ", "\t", "\n", "\n\n", " \n"])
@pytest.mark.parametrize("text", ["to the rabbit", "'s hat", "12", "🐿️ ran"])
def test_a_continuation_is_the_tokens_of_the_joined_text(
    tokenizer: Reader, blanks: str, text: str
) -> None:
    prompt = f"said the cat{blanks}"
    apart = " " if not blanks and not text[:1].isspace() else ""
    tokens = tokenizer.encode_prompt(prompt) + continuation(tokenizer, prompt, text)
    assert tokens == tokenizer.encode(f"{prompt}{apart}{text}")


def test_a_text_that_changes_the_prompts_own_tokens_is_refused(tokenizer: Reader) -> None:
    with pytest.raises(
        InputError,
        match=r"^logprob\.prompt: it must end where a token of the joined text ends, 'said",
    ):
        continuation(tokenizer, "said the cat\n", "\n\nThen")


def test_a_blank_at_the_prompts_end_changes_nothing(tokenizer: Reader) -> None:
    bare, blank = ("said the cat", "said the cat ")
    assert continuation(tokenizer, blank, "to it") == continuation(tokenizer, bare, "to it")
    orders = [shuffled(tokenizer, prompt, "to the rabbit", seed=1) for prompt in (bare, blank)]
    assert orders[0] == orders[1]


def test_the_users_sentences_are_named_and_empty_ones_refused(tokenizer: Reader) -> None:
    (one,) = users_sentences(tokenizer, params(sentences=["🐿️"]))
    assert one.name == "yours"
    assert tokenizer.decode(one.tokens) == "🐿️"
    two = users_sentences(tokenizer, params(sentences=["a", "b c"]))
    assert [sentence.name for sentence in two] == ["yours 1", "yours 2"]
    for empty in ("", " \n"):
        with pytest.raises(InputError, match="text is required in each, but number 2 is"):
            users_sentences(tokenizer, params(sentences=["a", empty]))


def mixed(tokenizer: Reader, text: str, seed: int = 1) -> str:
    found = shuffled(tokenizer, "\n\n", text, seed)
    assert found is not None
    return tokenizer.decode(found.tokens)


def test_shuffling_keeps_the_words(tokenizer: Reader) -> None:
    text = "one two three four five"
    found = mixed(tokenizer, text)
    assert found != text
    assert sorted(found.split()) == sorted(text.split())
    assert mixed(tokenizer, text, 1) == found != mixed(tokenizer, text, 2)


def test_a_space_is_put_between_words_that_had_one_whatever_their_script(
    tokenizer: Reader,
) -> None:
    text = "我来了 你去吗 好"  # three words, where spaces say what a word is
    found = mixed(tokenizer, text)
    assert found != text
    assert sorted(found.split(" ")) == sorted(text.split(" "))


def test_words_without_spaces_are_shuffled_without(tables: tuple[Path, Path]) -> None:
    chinese = Reader(*tables, TextParams(language="zh", words="segments"))
    text = "我来了，你去吗？"
    found = mixed(chinese, text)
    assert found != text
    assert sorted(found) == sorted(text)
    assert all(pair in found for pair in ("了，", "吗？")), "marks stay with their words"
    german = Reader(*tables, TextParams(language="de", words="segments"))
    assert sorted(mixed(german, "Sie kam, und er ging.").split()) == [
        "Sie", "er", "ging.", "kam,", "und",
    ]  # fmt: skip
    by_token = Reader(*tables, TextParams(language="en", words="tokens"))
    one = shuffled(by_token, "\n\n", "a walnut tree", seed=2)
    assert one is not None
    assert one.tokens != by_token.encode("a walnut tree")
    assert sorted(one.tokens) == sorted(by_token.encode("a walnut tree"))


def test_white_space_has_no_words_to_shuffle(tokenizer: Reader) -> None:
    assert shuffled(tokenizer, "\n\n", " \n", seed=1) is None


def test_no_space_is_put_between_scripts_without_one(tables: tuple[Path, Path]) -> None:
    chinese = Reader(*tables, TextParams(language="zh", words="segments"))
    assert chinese.decode(continuation(chinese, "我来了，", "你去吗？")) == "你去吗？"


def test_the_held_out_sentence_begins_a_paragraph(tokenizer: Reader) -> None:
    def found(text: str) -> str:
        tokens = np.array(tokenizer.encode(text), dtype=np.uint16)
        return tokenizer.decode(held_out(tokenizer, tokens).tokens)

    assert found("tail of one.\n\n'Well!' she said. More.") == "'Well!' she said."
    assert found("no paragraph here. More.") == "no paragraph here."
    assert found("one.\n\nlast words without an end") == "last words without an end"
