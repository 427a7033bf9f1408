"""What the counts of tokens tell: ranks, and what is new in the held-out part."""

from __future__ import annotations

import numpy as np
import pytest

from looking_glass.text.counting import Counts, count_tokens
from looking_glass.text.frequencies import rank_frequency, unseen_rate


def counts(*tokens: int) -> Counts:
    return count_tokens(np.array(tokens, dtype=np.uint16), 10)


@pytest.mark.parametrize(
    ("train", "val", "rate"), [([1, 2], [1, 3, 3, 2], 0.5), ([1], [1], 0.0), ([1], [], 0.0)]
)
def test_the_unseen_rate_counts_validation_tokens_not_kinds(
    train: list[int], val: list[int], rate: float
) -> None:
    assert unseen_rate(counts(*train), counts(*val)) == rate


def test_ranks_go_from_most_frequent_down_and_ties_by_token() -> None:
    table = rank_frequency(counts(7, 5, 5, 9, 7, 5, 2))
    assert table.to_dict("list") == {
        "rank": [1, 2, 3, 4],
        "token": [5, 7, 2, 9],
        "count": [3, 2, 1, 1],
    }
    assert rank_frequency(counts()).empty
