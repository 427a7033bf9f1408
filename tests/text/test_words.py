"""Words of many scripts by hand, and what holds of any bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looking_glass.text.language import WordKind
from looking_glass.text.reader import Reader
from looking_glass.text.words import Word, has_unspaced, joined, space_between, words_of
from tests.helpers.languages import SENTENCES

examples = settings(max_examples=150, derandomize=True, deadline=None)
KINDS: tuple[WordKind, ...] = ("spaces", "segments", "tokens")
pieces = st.sampled_from(
    ["'ll", "don't", " ", "  ", "\n\n", "\u3000", "Alice", "42", "!?", "—", "“", "é", "e\u0301",
     "猫", "।", "ไป", "نعم", "🤗", "🇩🇪", "\ufffd"]
)  # fmt: skip
texts = st.text(max_size=30) | st.lists(pieces, max_size=12).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am a walnut", [("I", 0, 1), ("am", 1, 2), ("a", 2, 3), ("walnut", 3, 5)]),
        ("a  b\n\nc", [("a", 0, 1), ("b", 1, 3), ("c", 3, 6)]),
        (" \na b \n", [("a", 0, 3), ("b", 3, 6)]),
        ("Don't!", [("Don't!", 0, 3)]),
        ("🤗 🤗", [("🤗", 0, 3), ("🤗", 3, 6)]),
        ("  \n", [("  \n", 0, 3)]),
        ("", []),
    ],
)
def test_words_by_hand(tokenizer: Reader, text: str, expected: list[tuple[str, int, int]]) -> None:
    assert tokenizer.words(tokenizer.encode(text)) == [Word(*word) for word in expected]


@pytest.mark.parametrize(("text", "spaces", "segments"), SENTENCES)
def test_words_of_many_scripts_by_hand(text: str, spaces: str, segments: str) -> None:
    of_bytes = [bytes([byte]) for byte in text.encode()]
    of_characters = [character.encode() for character in text]
    kinds: list[tuple[WordKind, str]] = [("spaces", spaces), ("segments", segments)]
    for kind, expected in kinds:
        for tokens in (of_bytes, of_characters):
            found = "|".join(word.text for word in words_of(tokens, kind))
            assert found == expected
    alone = [word.text for word in words_of(of_bytes, "tokens")]
    assert alone == [character.strip() or character for character in text]


def test_a_token_that_holds_the_end_of_one_word_and_the_start_of_another_goes_to_the_first() -> (
    None
):
    tokens = ["我来".encode(), "了去".encode(), "吗".encode()]
    assert [word.text for word in words_of(tokens, "segments")] == ["我来", "了去", "吗"]
    tokens = ["我".encode()[:1], "我".encode()[1:] + "来".encode()[:2], "来".encode()[2:]]
    for kind in ("segments", "tokens"):
        assert [(w.start, w.stop) for w in words_of(tokens, kind)] == [(0, 2), (2, 3)]


@examples
@given(text=texts | st.text(st.sampled_from("ab'1.é🤗 \n\t"), max_size=30))
def test_the_words_of_a_text_are_its_split(tokenizer: Reader, text: str) -> None:
    found = [word.text for word in tokenizer.words(tokenizer.encode(text))]
    assert found == (text.split() or ([text] if text else []))


@examples
@given(tokens=st.lists(st.integers(0, 50_256) | st.integers(0, 260), max_size=20))
def test_words_cover_every_token_once_in_order_whatever_was_generated(
    tokenizer: Reader, tokens: list[int]
) -> None:
    check_cover(tokenizer.pieces(tokens))


@examples
@given(content=texts.map(str.encode) | st.binary(max_size=40), cuts=st.sets(st.integers(1, 60)))
@example(content="他说：“我来了。”".encode(), cuts={1, 5, 8})
def test_words_cover_any_bytes_in_any_pieces(content: bytes, cuts: set[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(content)), len(content)]
    check_cover([content[a:b] for a, b in itertools.pairwise(places) if a < b])


def check_cover(pieces: list[bytes]) -> None:
    for kind in KINDS:
        words = words_of(pieces, kind)
        assert [p for word in words for p in pieces[word.start : word.stop]] == pieces
        assert [word.start for word in words] == [0, *(word.stop for word in words)][: len(words)]
        assert all(word.start < word.stop for word in words)


@examples
@given(text=texts)
def test_segments_begin_where_spaces_words_do(text: str) -> None:
    """No word reaches over white space, unless it ends or begins in marks alone."""
    tokens = [character.encode() for character in text]
    for word in words_of(tokens, "segments"):
        parts = word.text.split()
        worded = [
            part for part in parts if words_of([part.encode()], "segments") and has_word(part)
        ]
        assert len(worded) <= 1


def has_word(part: str) -> bool:
    return any(character.isalnum() for character in part)


def test_a_character_cut_short_moves_no_word(tokenizer: Reader) -> None:
    half = tokenizer.encode("🤗")[:1]
    for before, after in [("", " b c"), ("a", " b c"), ("a b", "")]:
        tokens = tokenizer.encode(before) + half + tokenizer.encode(after)
        found = [word.text for word in tokenizer.words(tokens)]
        assert " ".join(found) == f"{before}⟨F0 9F⟩{after}"


def test_a_space_stands_between_words_of_scripts_that_have_one() -> None:
    assert joined(["the", "cat"]) == "the cat"
    assert joined(["我", "来", "了。"]) == "我来了。"
    assert joined(["一", "iPhone", "X", "的"]) == "一iPhone X的"
    assert joined(["नहीं", "है।"]) == "नहीं है।"
    assert joined([]) == ""
    assert space_between("a ", "b") == space_between("a", " b") == ""
    assert has_unspaced("ไป")
    assert has_unspaced("」")
    assert not has_unspaced("한국 Привет عربي हिन्दी «“…”»")
