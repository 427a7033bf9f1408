"""Tokens that are parts of characters, and bytes that are none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.text.characters import (
    escaped,
    n_bytes,
    readable,
    shown_alone,
    shown_in_text,
)

WO = "我".encode()


def test_parts_of_a_character_are_numbered() -> None:
    assert shown_in_text([b"a", WO[:1], WO[1:], b" b"]) == ["a", "我[1/2]", "我[2/2]", " b"]
    assert shown_in_text([b" " + WO[:2], WO[2:] + WO[:1], WO[1:]]) == [
        " 我[1/2]", "我[2/2]我[1/2]", "我[2/2]",
    ]  # fmt: skip
    running = shown_in_text([b" " + WO[:2], WO[2:] + WO[:1], WO[1:]], parts_told=False)
    assert running == [" 我", "我", ""]


def test_bytes_that_are_no_character_are_told_as_bytes() -> None:
    assert shown_in_text([WO[:2], b"a"]) == ["⟨E6 88⟩", "a"]
    assert shown_in_text([b"a" + WO[:1]]) == ["a⟨E6⟩"]
    assert shown_in_text([b"\x80", WO[:1], b"b\xff"]) == ["⟨80⟩", "⟨E6⟩", "b⟨FF⟩"]
    assert shown_alone(WO) == "我"
    assert shown_alone(WO[:2]) == "⟨E6 88⟩"
    assert shown_alone(b" " + WO[:1]) == "⟨20 E6⟩"


def test_a_character_at_the_end_is_waited_for() -> None:
    assert escaped(b"a" + WO[:2], whole=False) == "a"
    assert readable(escaped(b"a" + WO[:2])) == "a\ufffd\ufffd"
    assert readable(escaped(b"\xff" + WO, whole=False)) == "\ufffd我"


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.binary(max_size=5), max_size=8))
def test_any_bytes_keep_their_length_and_are_shown(pieces: list[bytes]) -> None:
    text = escaped(b"".join(pieces))
    assert n_bytes(text) == sum(map(len, pieces))
    assert len(readable(text)) == len(text)
    shown = shown_in_text(pieces)
    assert [bool(one) for one in shown] == [bool(piece) for piece in pieces]
    readable("".join(shown)).encode()  # it holds no half of anything
