"""Verbatim runs: by hand, and as a plain search finds them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from looking_glass.text.overlap import run_lengths


def test_runs_by_hand() -> None:
    text = np.array([1, 2, 3, 4, 5, 1, 2, 9], dtype=np.uint16)
    assert run_lengths([1, 2, 3, 7, 1, 2, 9, 2], text) == [3, 3, 3, 0, 3, 3, 3, 1]
    assert run_lengths([5, 1, 2, 3], text) == [3, 3, 3, 3], "two runs may share tokens"
    assert run_lengths([], text) == []
    assert run_lengths([9, 9], text) == [1, 1], "a run ends where the text does"


@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=12))
def test_runs_are_those_of_a_plain_search(tokens: list[int], text: list[int]) -> None:
    whole = "".join(map(str, text))
    expected = [
        max(
            (stop - start)
            for start in range(len(tokens))
            for stop in range(start, len(tokens) + 1)
            if (start <= place < stop or stop == start)
            and "".join(map(str, tokens[start:stop])) in whole
        )
        for place in range(len(tokens))
    ]
    assert run_lengths(tokens, np.array(text, dtype=np.uint16)) == expected
