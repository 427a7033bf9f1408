"""Forms: what can be read off a token, and which tokens share what."""

from __future__ import annotations

import pytest

from looking_glass.text.forms import form_features, kind_of, stem


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b" walking", "␣lower"),
        (b"Walking", "title"),
        (b" I", "␣initial"),
        (b"VERY", "upper"),
        (b"McX", "mixed"),
        (b"42", "digits"),
        (b" ...", "␣signs"),
        (b"\n", "signs"),
        (b"\xf0\x9f", "other"),
        ("é".encode(), "other"),
        (b"", "signs"),
    ],
)
def test_the_kind_of_a_token(content: bytes, kind: str) -> None:
    assert kind_of(content) == kind
    assert form_features(1000, content)[0] == f"kind {kind}"


def test_endings_and_lengths_are_features_of_words_alone() -> None:
    assert "ending ing" in form_features(1000, b" walking")
    assert "kind ␣lower length 7" in form_features(1000, b" walking")
    assert not any("ending" in name for name in form_features(1000, b"ing"))
    assert not any("ending" in name for name in form_features(1000, b"KING"))
    assert "kind lower length 12" in form_features(1000, b"a" * 40)


def test_neighbours_in_the_merges_share_a_rank_and_distant_ones_do_not() -> None:
    near, same, far = (form_features(rank, b" a") for rank in (20_000, 20_100, 300))
    assert near == same != far


def test_a_word_is_one_whatever_its_case_and_space() -> None:
    for content in (b"cat", b" cat", b" Cat", b"CAT"):
        assert "word cat" in form_features(1000, content)


@pytest.mark.parametrize(
    ("words", "root"),
    [
        ("run runs Running", "run"),
        ("cry cries", "cry"),
        ("hope hoped hoping hopes", "hop"),
        ("walk Walked walking walker walks", "walk"),
        ("happy happily happiness", "happy"),
        ("fall falls falling", "fall"),
        ("his", "his"),
    ],
)
def test_the_forms_of_a_word_share_a_stem(words: str, root: str) -> None:
    assert {stem(word) for word in words.split()} == {root}


def test_a_stem_is_a_feature_of_words_alone() -> None:
    assert "stem walk" in form_features(1000, b" Walking")
    for content in (b"42", b"ab", " né".encode(), b"..."):
        assert not any(name.startswith("stem") for name in form_features(1000, content))
