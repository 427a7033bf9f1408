"""What all sets of words are said to hold: each word more doubles it."""

from __future__ import annotations

import pytest

from looking_glass.yardstick import memory
from tests.helpers.models import make_model


def test_a_word_more_doubles_the_sets_and_a_thread_more_the_contexts_at_work() -> None:
    config = make_model(block_size=24).config
    told = [memory.moments(config, [12] * 8, n_words=n, threads=1) for n in (4, 6, 12)]
    sets = [one["all sets of words"]["sets"] for one in told]
    assert sets[1] > 2 * sets[0]
    assert sets[2] > 16 * sets[1]
    two = memory.moments(config, [12] * 8, n_words=4, threads=2)["all sets of words"]
    assert two["sets"] == 2 * sets[0]


@pytest.mark.parametrize("n", [2, 12])
def test_every_part_has_its_keys(n: int) -> None:
    told = memory.moments(make_model().config, [12] * 4, n_words=n, threads=2)
    assert {part for parts in told.values() for part in parts} - {"PyTorch"} == set(memory.KEYS)
