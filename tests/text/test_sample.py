"""What of a long text is read: whole runs spread evenly over it, and all of a short one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from looking_glass.text.sample import MOST, RUN, n_tokens, runs_of, sample_runs


def numbered(n: int) -> np.ndarray:
    """A text in which each token tells its place."""
    return np.arange(n, dtype=np.int64)


@pytest.mark.parametrize("n", [0, 1, 3_674, 33_059, MOST])
def test_a_text_that_is_short_enough_is_read_whole(n: int) -> None:
    text = numbered(n)
    (run,) = sample_runs(text)
    assert run is text


@given(st.integers(1, 300_000), st.integers(1, 100_000))
def test_a_sample_is_of_runs_spread_evenly(n: int, most: int) -> None:
    runs = sample_runs(numbered(n), most)
    assert all((np.diff(run) == 1).all() for run in runs), "tokens in a row"
    places = np.concatenate(runs)
    assert len(set(places.tolist())) == len(places), "none twice"
    assert (np.diff(places) > 0).all(), "in the order of the text"
    if n <= most:
        assert len(places) == n
        return
    assert most - len(runs) < len(places) <= most
    assert max(map(len, runs)) <= RUN
    assert len({len(run) for run in runs}) == 1
    part = n / len(runs)
    for index, run in enumerate(runs):
        middle = (int(run[0]) + int(run[-1])) / 2
        assert middle == pytest.approx((index + 0.5) * part, abs=2), "each in its own part's middle"


def test_a_short_sample_is_the_middle_of_the_text() -> None:
    (run,) = sample_runs(numbered(10_001), 4)
    assert run.tolist() == [4998, 4999, 5000, 5001]


def test_a_sample_copies_nothing() -> None:
    text = numbered(MOST + 10)
    assert all(np.shares_memory(run, text) for run in sample_runs(text))


def test_a_whole_text_is_one_run() -> None:
    text = np.arange(5, dtype=np.uint16)
    assert runs_of(text) == (text,)
    assert runs_of((text[:2], text[3:]))[1].tolist() == [3, 4]
    assert (n_tokens(text), n_tokens((text[:2], text[3:]))) == (5, 4)
