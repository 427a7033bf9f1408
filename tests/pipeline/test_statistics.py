"""Ranks, correlations and intervals: by hand, by their formulas, and by drawing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.pipeline.statistics import (
    finite,
    grouped_error,
    mean_interval,
    rank_correlation,
    rank_correlations,
    wilson_interval,
)


def test_rank_correlation_is_spearmans() -> None:
    a = [[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0]]
    b = [[10.0, 20.0, 30.0, 5.0], [3.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]
    found = rank_correlations(a, b)
    assert found[:2].tolist() == pytest.approx([-0.2, -1.0])
    assert math.isnan(found[2])
    assert rank_correlation(a[0], b[0]) == pytest.approx(-0.2)
    assert rank_correlation(a[2], b[2]) is None


def test_a_place_without_a_number_in_either_is_left_out_of_both() -> None:
    no, a, b = math.nan, [1.0, 2.0, 9.0, 3.0], [1.0, 4.0, 2.0, 3.0]
    # Without the third place b's ranks are 1, 3, 2 beside 1, 2, 3: 1 - 6 (1 + 1) / (3 · 8). Kept
    # from all four places they would be 1, 4, 3, and the correlation 0.65.
    holes = [[1.0, 2.0, no, 3.0], a, [no] * 4, [1.0, no, no, 2.0]]
    others = [b, [1.0, 4.0, no, 3.0], b, b]
    expected = pytest.approx([0.5, 0.5, no, 1], nan_ok=True)
    assert rank_correlations(holes, others).tolist() == expected
    assert rank_correlations(others, holes).tolist() == expected
    # An infinity is no number either.
    infinite = rank_correlations([[math.inf, 1.0, 2.0]], [[1.0, 2.0, 3.0]])
    assert float(infinite[0]) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 10**6))
def test_without_ties_it_follows_from_the_differences_of_ranks(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.permutation(n), rng.permutation(n)
    # Spearman's own formula: 1 - 6 Σ d² / (n (n² - 1)).
    expected = 1 - 6 * int(((a - b) ** 2).sum()) / (n * (n * n - 1))
    assert float(rank_correlations([np.exp(a)], [b])[0]) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=12))
def test_equal_values_share_the_mean_of_their_ranks(pairs: list[tuple[int, int]]) -> None:
    def ranks(values: list[float]) -> list[float]:
        """Those below, and half of the others that are equal."""
        return [
            sum(other < value for other in values) + (values.count(value) - 1) / 2
            for value in values
        ]

    a, b = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found = rank_correlation(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(ranks(a), ranks(b))[0, 1], abs=1e-9)


def test_an_interval_holds_the_mean_and_skips_what_is_undefined() -> None:
    mean, low, high = mean_interval([1.0, 3.0, math.nan])
    assert mean == 2
    assert (low, high) == pytest.approx((2 - 1.96, 2 + 1.96))  # its standard error is 1
    assert mean_interval([7.0])[0] == 7
    assert math.isnan(mean_interval([7.0])[1])
    assert all(map(math.isnan, mean_interval([math.nan])))


def test_nineteen_intervals_of_twenty_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    means = [mean_interval(rng.normal(3, 2, 100)) for _ in range(1000)]
    assert 0.92 < np.mean([low < 3 < high for _, low, high in means]) < 0.98
    shares = [wilson_interval(rng.binomial(40, 0.1) / 40, 40) for _ in range(1000)]
    assert 0.92 < np.mean([low < 0.1 < high for low, high in shares]) < 0.98


def test_the_error_of_runs_takes_neighbours_for_one() -> None:
    # Runs of two: means 1 and 3, and a rest of one that is left out.
    assert grouped_error([1.0, 1.0, 3.0, 3.0, 9.0], 2) == pytest.approx(1.0)
    assert grouped_error([1.0, 1.0, 3.0], 2) is None, "one run"
    alike = np.repeat(np.random.default_rng(0).normal(size=200), 5)
    assert grouped_error(alike, 5) == pytest.approx(1 / math.sqrt(200), rel=0.15)


def test_wilsons_interval_stays_between_0_and_1() -> None:
    assert wilson_interval(0.0, 5) == pytest.approx((0.0, 0.4345), abs=1e-3)
    assert wilson_interval(1.0, 5) == pytest.approx((0.5655, 1.0), abs=1e-3)
    low, high = wilson_interval(0.5, 10_000)
    assert (low, high) == pytest.approx((0.4902, 0.5098), abs=1e-4)


def test_what_is_no_number_is_none() -> None:
    assert [finite(value) for value in (1.5, 0.0, math.nan, math.inf)] == [1.5, 0.0, None, None]
