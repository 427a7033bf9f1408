"""Numbers, lists and white space as a reader wants them."""

from __future__ import annotations

from looking_glass.report.prose.phrases import count, listed, nats, percent, visible


def test_shares_and_lists_read_well() -> None:
    assert [percent(x) for x in (1.0, 0.4567, 0.00123, 0.0)] == ["100%", "45.7%", "0.12%", "0%"]
    assert [listed(list(x)) for x in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [count(n, "time") for n in (0, 1, 2000)] == ["0 times", "1 time", "2,000 times"]
    assert [nats(x) for x in (0.0123456, 12.0)] == ["0.0123 nats", "12 nats"]


def test_white_space_is_made_visible() -> None:
    assert visible("  a b\r\n\tc ") == "␣␣a b↵⇥c "
