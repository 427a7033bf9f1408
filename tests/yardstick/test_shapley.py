"""Shapley values, walks and bounds: by hand, by all orders, and by their axioms."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from looking_glass.yardstick.coalitions import removed_values, replaced_values
from looking_glass.yardstick.shapley import (
    extreme_walks,
    faithfulness,
    members,
    n_words,
    shapley_values,
    walk,
)
from tests.helpers.cases import left_out_one, spans
from tests.helpers.models import make_model

# Three words a, b and c; the number of a set is 1 for a, plus 2 for b, plus 4 for c.
#            none    a     b    ab     c    ac     bc   abc
BY_HAND = [0.0, 2.0, 0.0, 6.0, -1.0, 1.0, -1.0, 3.0]
A, B, C = range(3)

games = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.floats(-9, 9, allow_nan=False), min_size=2**n, max_size=2**n)
)


def game(numbers: list[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def number_of(words: tuple[int, ...]) -> int:
    return sum(1 << word for word in words)


def over_all_orders(values: Tensor) -> Tensor:
    """Return Shapley's mean over all orders in which the words may come, one after the other."""
    n = n_words(values)
    total = torch.zeros(n, dtype=torch.float64)
    for order in itertools.permutations(range(n)):
        for place, word in enumerate(order):
            total[word] += values[number_of(order[: place + 1])] - values[number_of(order[:place])]
    return total / math.factorial(n)


def walks_of_all_orders(values: Tensor) -> dict[tuple[int, ...], float]:
    """Return for each order of taking words away the sum of what is left after each."""
    n = n_words(values)
    return {
        order: sum(float(values[number_of(order[gone:])]) for gone in range(1, n + 1))
        for order in itertools.permutations(range(n))
    }


def test_three_words_worked_by_hand() -> None:
    # What each adds when it comes, in each of the six orders:
    #          a           b           c
    #   abc    2 - 0 = 2   6 - 2 = 4   3 - 6 = -3
    #   acb    2           3 - 1 = 2   1 - 2 = -1
    #   bac    6 - 0 = 6   0           3 - 6 = -3
    #   bca    3 + 1 = 4   0           -1 - 0 = -1
    #   cab    1 + 1 = 2   3 - 1 = 2   -1
    #   cba    3 + 1 = 4   -1 + 1 = 0  -1
    #   sum   20           8          -10            together 18 = 6 · (3 - 0)
    found = shapley_values(game(BY_HAND))
    assert found.tolist() == pytest.approx([20 / 6, 8 / 6, -10 / 6])
    # One at a time: 3 - (-1), 3 - 1, 3 - 6.
    assert left_out_one(game(BY_HAND)).tolist() == [4.0, 2.0, -3.0]


def test_the_members_of_sets_are_the_bits_of_their_numbers() -> None:
    assert members(2).tolist() == [[False, False], [True, False], [False, True], [True, True]]
    for wrong in (1, 3, 12):
        with pytest.raises(ValueError, match=rf"each of 2\^n sets is required, got {wrong}"):
            n_words(torch.zeros(wrong))


@settings(max_examples=30, deadline=None)
@given(games)
def test_they_are_the_mean_over_all_orders_and_share_out_the_whole(numbers: list[float]) -> None:
    values = game(numbers)
    found = shapley_values(values)
    assert torch.allclose(found, over_all_orders(values), atol=1e-9)
    assert abs(float(found.sum() - (values[-1] - values[0]))) < 1e-6


@settings(max_examples=30, deadline=None)
@given(games, st.floats(-3, 3), st.integers(0, 10**6))
def test_the_axioms_hold(numbers: list[float], factor: float, seed: int) -> None:
    values = game(numbers)
    n = n_words(values)
    # Linear: values of a sum of games are sums.
    other = torch.randn(2**n, generator=torch.Generator().manual_seed(seed)).double()
    both = shapley_values(values + factor * other)
    assert torch.allclose(both, shapley_values(values) + factor * shapley_values(other), atol=1e-9)
    # Symmetric: words that change places change values.
    first, last = 0, n - 1
    swapped = torch.tensor(
        [
            number_of(tuple({first: last, last: first}.get(w, w) for w in range(n) if s >> w & 1))
            for s in range(2**n)
        ]
    )
    found, turned = shapley_values(values), shapley_values(values[swapped])
    assert float(turned[first]) == pytest.approx(float(found[last]), abs=1e-9)
    alike = shapley_values(values + values[swapped])
    assert float(alike[first]) == pytest.approx(float(alike[last]), abs=1e-9)
    # A word that changes nothing, the one added here, is worth nothing; the rest keep theirs.
    idle = shapley_values(values.repeat(2))
    assert float(idle[-1]) == pytest.approx(0, abs=1e-9)
    assert torch.allclose(idle[:-1], found, atol=1e-9)


def test_many_games_at_once_are_each_alone() -> None:
    values = torch.randn(2, 3, 16, dtype=torch.float64)
    found = shapley_values(values)
    assert found.shape == (2, 3, 4)
    assert torch.allclose(found[1, 2], shapley_values(values[1, 2]))
    assert torch.allclose(left_out_one(values)[1, 2], left_out_one(values[1, 2]))
    walks = extreme_walks(values)
    assert walks.least.shape == (2, 3)
    assert torch.allclose(walks.least[1, 2], extreme_walks(values[1, 2]).least)


def test_a_real_models_words_share_out_the_whole_effect() -> None:
    model, words = make_model(n_layer=3), spans([1, 2, 1, 3, 1, 1, 2, 1])
    context, others = torch.randint(97, (2, 12))
    for values in (
        removed_values(model, context, words, 41),
        replaced_values(model, context, others, words, 41),
    ):
        found = shapley_values(values.float())  # as they are when read from a file
        assert abs(float(found.sum()) - float(values[-1] - values[0])) < 1e-6
        assert found.abs().max() > 1e-2


@settings(max_examples=30, deadline=None)
@given(games)
def test_the_extreme_walks_are_those_of_all_orders(numbers: list[float]) -> None:
    values = game(numbers)
    by_order = walks_of_all_orders(values)
    found = extreme_walks(values)
    assert float(found.least) == pytest.approx(min(by_order.values()), abs=1e-9)
    assert float(found.largest) == pytest.approx(max(by_order.values()), abs=1e-9)
    room = float(found.largest - found.least)
    for order, total in by_order.items():
        given_order = torch.tensor([order])
        assert float(walk(values[None], given_order, keep=False)) == pytest.approx(total, abs=1e-9)
        reverse = by_order[order[::-1]]
        assert float(walk(values[None], given_order, keep=True)) == pytest.approx(reverse, abs=1e-9)
        if room > 1e-6:
            scores = torch.zeros(1, len(order))
            scores[0, list(order)] = torch.arange(len(order), 0, -1).float()
            judged = faithfulness(values[None], scores)
            # What was taken away first should cost most, what was kept first should suffice.
            away, back = float(judged.comprehensiveness), float(judged.sufficiency)
            assert -1e-9 <= away <= 1 + 1e-9
            assert -1e-9 <= back <= 1 + 1e-9
            assert away == pytest.approx((float(found.largest) - total) / room, abs=1e-6)
            assert back == pytest.approx((reverse - float(found.least)) / room, abs=1e-6)


def test_comprehensiveness_and_sufficiency_worked_by_hand() -> None:
    # Left after one, two and three words are gone, and their sum:
    #   a, b, c   bc -1, c -1, none 0   -2: the least
    #   a, c, b   bc -1, b 0            -1
    #   b, a, c   ac 1,  c -1            0
    #   b, c, a   ac 1,  a 2             3
    #   c, a, b   ab 6,  b 0             6
    #   c, b, a   ab 6,  a 2             8: the largest
    walks = extreme_walks(game(BY_HAND))
    assert (float(walks.least), float(walks.largest)) == (-2, 8)
    for order, away, back in (
        ((A, B, C), 1.0, 1.0),  # brought back as a, ab, abc: the walk c, b, a
        ((B, A, C), (8 - 0) / 10, (6 + 2) / 10),  # the walk c, a, b
        ((A, C, B), (8 + 1) / 10, (3 + 2) / 10),  # the walk b, c, a
        ((C, B, A), 0.0, 0.0),
    ):
        scores = torch.zeros(1, 3)
        scores[0, list(order)] = torch.tensor([3.0, 2.0, 1.0])
        found = faithfulness(game(BY_HAND)[None], scores)
        assert float(found.comprehensiveness) == pytest.approx(away), order
        assert float(found.sufficiency) == pytest.approx(back), order
        given_walks = faithfulness(game(BY_HAND)[None], scores, walks)
        assert float(given_walks.comprehensiveness) == pytest.approx(away)


def test_equal_scores_keep_the_order_of_the_words_and_equal_orders_have_no_number() -> None:
    flat = faithfulness(game(BY_HAND)[None], torch.zeros(1, 3))
    assert float(flat.comprehensiveness) == 1, "a, b, c"
    nothing = faithfulness(torch.zeros(1, 8), torch.rand(1, 3))
    assert bool(nothing.comprehensiveness.isnan())
    assert bool(nothing.sufficiency.isnan())
