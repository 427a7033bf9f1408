"""Which lines are joined to a paragraph, and what stands between them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from looking_glass.text.paragraphs import Joiner, Rule, joint, rule_for

examples = settings(max_examples=80, derandomize=True, deadline=None)

WRAPPED = [
    "The rabbit-hole went straight on like a",
    "tunnel for some way, and then dipped",
    "suddenly down, so suddenly that Alice",
    "had not a moment to think about it.",
]
LONG = "Alice was beginning to get very tired of sitting by her sister. " * 4


def unwrapped(text: str, rule: Rule = "blank_lines") -> str:
    return "".join(Joiner(rule=rule).joined(text.split("\n")))


lines = st.text(st.sampled_from("ab \n\t\r\v\xa0\u2028"), max_size=40)


@examples
@given(text=lines | st.text(st.characters(exclude_characters="-\u2010", max_codepoint=0x2FFF)))
@example(text="a\n \n\t\n\n b\n c \n")
def test_unwrap_is_idempotent_and_keeps_every_word(text: str) -> None:
    once = unwrapped(text)
    assert unwrapped(once) == once
    assert once.split() == text.split()
    for paragraph in once.split("\n\n"):
        assert paragraph == " ".join(paragraph.split())


def test_unwrap_keeps_paragraphs_apart_and_only_those() -> None:
    assert unwrapped("\n a  b\n\tc\n  \n\n\nd\ne\n") == "a b c\n\nd e"
    assert unwrapped("  a\nb\n  c\nd", "indents") == "a b\n\nc d"
    assert unwrapped("a\nb\n\n\nc", "lines") == "a\n\nb\n\nc"


def test_the_rest_of_a_long_line_is_no_line_of_its_own() -> None:
    joiner = Joiner(rule="lines")
    text = [*joiner.joined(["one", "two"]), *joiner.joined([" goes on", "three"], goes_on=True)]
    assert "".join(text) == "one\n\ntwo goes on\n\nthree"
    assert joiner.paragraphs == 3
    assert "".join(Joiner(rule="lines").joined(["", "a"], goes_on=True)) == "a"


@pytest.mark.parametrize(
    ("end", "start", "between"),
    [
        ("the sheep-", "bells", ""),
        ("the rabbit", "hole", " "),
        ("from 1-", "2", " "),  # no compound
        ("feet high--", "even then", ""),
        ("on your head--", "Do you think", " "),  # verse
        ("he said --", "and", " "),
        ("兔子洞", "笔直", ""),
        ("走了。", "他来", ""),
        ("うさぎ", "の穴", ""),
        ("토끼", "굴", " "),  # Korean puts spaces
        ("กระต่าย", "ขาว", ""),
        ("खरगोश", "का", " "),
        ("他说 yes", "但是", " "),
    ],
)
def test_what_stands_between_two_lines(end: str, start: str, between: str) -> None:
    assert joint(end, start) == between


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ([*WRAPPED, ""] * 9, "blank_lines"),
        (WRAPPED * 9, "blank_lines"),  # one paragraph, for nothing parts it
        (["  " + WRAPPED[0], *WRAPPED[1:]] * 9, "indents"),
        (["　　" + "兔" * 28, *["兔" * 30] * 4] * 9, "indents"),
        ([LONG, LONG[:150], LONG[:64]] * 9, "lines"),
        ([LONG, "", LONG[:150], LONG[:190]] * 9, "lines"),  # and blank lines here and there
        (["　　" + "兔" * n for n in (80, 12, 33, 150, 7)] * 9, "lines"),
        (["How doth the little crocodile", "improve", "his shining tail", ""] * 9, "blank_lines"),
        (["a short line", "and", "a longer one of verse", "so"] * 9, "lines"),
        ([], "blank_lines"),
        (["", " "], "blank_lines"),
    ],
)
def test_what_parts_the_paragraphs_is_seen_in_the_lines(text: list[str], rule: Rule) -> None:
    assert rule_for(text) == rule
