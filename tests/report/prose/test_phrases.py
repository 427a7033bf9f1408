"""Numbers, lists and white space as a reader wants them."""

from __future__ import annotations

import pandas as pd

from looking_glass.report.prose.phrases import (
    beyond_chance,
    count,
    explain_missing,
    listed,
    moved,
    nats,
    percent,
    quoted,
    space_before,
    visible,
)


def test_shares_and_lists_read_well() -> None:
    assert [percent(x) for x in (1.0, 0.4567, 0.00123, 0.0)] == ["100%", "45.7%", "0.12%", "0%"]
    assert [listed(list(x)) for x in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [count(n, "time") for n in (0, 1, 2000)] == ["0 times", "1 time", "2,000 times"]
    assert [nats(x) for x in (0.0123456, 12.0)] == ["0.0123 nats", "12 nats"]


def test_white_space_is_made_visible() -> None:
    assert visible("  a b\r\n\tc ") == "␣␣a b↵⇥c "


def test_a_mean_has_moved_only_beyond_its_error() -> None:
    assert [beyond_chance(x, 0.1) for x in (0.19, 0.2, -0.2)] == [False, True, True]
    assert beyond_chance(1e-9, 0.0) is True, "every value moved alike"
    assert beyond_chance(0.0, 0.0) is False
    assert [beyond_chance(1.0, error) for error in (None, float("nan"))] == [None, None]
    assert moved(-0.5, 0.1) == "falls by 0.5 nats (standard error 0.1)"
    assert moved(0.0, 0.1).startswith("stays the same (standard error 0.1, no more")
    assert moved(0.5, None) == "rises by 0.5 nats (with no standard error: the text is too short)"


def test_words_are_joined_as_the_text_has_them() -> None:
    tokens = pd.DataFrame({"word": [0, 0, 1, 2], "text": ["我[1/2]", "我[2/2]", "来", " b"]})
    assert space_before(tokens) == ["", "", " "]
    words = pd.DataFrame({"before": ["", "", " "], "text": ["我", "来", "b"]})
    assert quoted(words) == "我来 b"
    assert quoted(words.iloc[2:]) == "b"


def test_what_the_figures_could_not_show_is_told_in_a_line() -> None:
    assert explain_missing(set()) is None
    told = explain_missing({"我", "来", "ไ"})
    assert told is not None
    assert "3 characters" in told
    assert "ไ 我 来 (CJK, THAI)" in told
    many = explain_missing({chr(0x4E00 + i) for i in range(40)})
    assert many is not None
    assert "40 characters" in many
    assert " … (CJK)" in many
