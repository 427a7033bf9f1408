"""How often tokens occur: counts, ranks, and what is new in the held-out part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from looking_glass.text import frequencies
from looking_glass.text.frequencies import Counts, count_tokens, rank_frequency, unseen_rate


@pytest.fixture
def counts(tmp_path: Path) -> Callable[..., Counts]:
    def count(*tokens: int) -> Counts:
        np.array(tokens, dtype="<u2").tofile(tmp_path / "tokens.bin")
        return count_tokens(tmp_path / "tokens.bin", 10)

    return count


def test_tokens_are_counted_some_at_a_time(
    counts: Callable[..., Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = counts(7, 5, 5, 9, 7, 5, 2)
    assert whole.tolist() == [0, 0, 1, 0, 0, 3, 0, 2, 0, 1]
    monkeypatch.setattr(frequencies, "COUNTED", 3)
    assert counts(7, 5, 5, 9, 7, 5, 2).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("train", "val", "rate"), [([1, 2], [1, 3, 3, 2], 0.5), ([1], [1], 0.0), ([1], [], 0.0)]
)
def test_the_unseen_rate_counts_validation_tokens_not_kinds(
    counts: Callable[..., Counts], train: list[int], val: list[int], rate: float
) -> None:
    assert unseen_rate(counts(*train), counts(*val)) == rate


def test_ranks_go_from_most_frequent_down_and_ties_by_token(
    counts: Callable[..., Counts],
) -> None:
    table = rank_frequency(counts(7, 5, 5, 9, 7, 5, 2))
    assert table.to_dict("list") == {
        "rank": [1, 2, 3, 4],
        "token": [5, 7, 2, 9],
        "count": [3, 2, 1, 1],
    }
    assert rank_frequency(counts()).empty
