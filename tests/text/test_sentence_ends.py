"""Where a sentence ends in many languages, seen from the token after it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.text.reader import Reader
from looking_glass.text.sentence_ends import first_sentence, sentence_length


@pytest.mark.parametrize(
    ("language", "text", "sentence"),
    [
        ("en", "She ran. Then she", "She ran."),
        ("en", "'Oh dear!' said Alice. And", "'Oh dear!' said Alice."),
        ("en", "‘Oh, dear.’ Then he", "‘Oh, dear.’"),
        ("en", "Mr. Smith came. He", "Mr. Smith came."),
        ("en", "It is 3.5 miles. He", "It is 3.5 miles."),
        ("en", "She ran… Then he", "She ran…"),
        ("en", "She ran… then he", "She ran… then he"),
        ("en", "no end at all", "no end at all"),
        ("en", "Why?", "Why?"),
        ("en", "\n\nShe ran\n\nThen", "\n\nShe ran"),
        ("en", "\n\n'Why,' she\n\n'Oh!'", "\n\n'Why,' she"),
        ("zh", "我来了。你去吗？", "我来了。"),
        ("zh", "「你好！」他说", "「你好！」"),
        ("ja", "行くの？はい。", "行くの？"),
        ("hi", "मैं आया। वह गया।", "मैं आया।"),
        ("ar", "هل جاء؟ نعم.", "هل جاء؟"),
        ("de", "Er kam z.B. heute. Sie", "Er kam z.B. heute."),
        ("th", "ฉันไป\n\nเขามา", "ฉันไป"),
    ],
)
def test_where_a_sentence_ends(language: str, text: str, sentence: str) -> None:
    for tokens in ([c.encode() for c in text], [bytes([byte]) for byte in text.encode()]):
        n = sentence_length(tokens, language)
        assert b"".join(tokens[:n]).decode() == sentence
    over = first_sentence(text.encode(), language)
    assert over == (len(sentence.encode()) if sentence != text else None)


def test_a_sentence_is_not_over_before_the_next_has_begun() -> None:
    for unfinished in ("", " ", "\n\n", "Why?", "Why? ", "Why?\n", "Mr.", "Mr. S", "3.", "3.5"):
        assert first_sentence(unfinished.encode(), "en") is None
    assert first_sentence("我来了。".encode() + "你".encode()[:2], "zh") is None
    assert first_sentence("我来了。你".encode(), "zh") == len("我来了。".encode())


def test_a_token_over_the_end_belongs_to_the_sentence(tokenizer: Reader) -> None:
    assert sentence_length([b"Oh", b"!-", b"no", b" x"], "en") in (2, 4)
    tokens = tokenizer.encode("She ran. Then she")
    assert tokenizer.decode(tokens[: tokenizer.sentence_length(tokens)]) == "She ran."


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.lists(st.binary(max_size=4) | st.sampled_from([b". A", b"\n\n", "…".encode()]), max_size=9)
)
def test_any_bytes_have_a_first_sentence(pieces: list[bytes]) -> None:
    n = sentence_length(pieces, "en")
    assert 0 <= n <= len(pieces)
    for drawn in range(len(pieces)):
        # It is the same sentence however much was drawn beyond the token that showed its end.
        if first_sentence(b"".join(pieces[:drawn]), "en") is not None:
            assert sentence_length(pieces[:drawn], "en") == n
