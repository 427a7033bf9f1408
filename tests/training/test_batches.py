"""Batches: the text once an epoch, cut at other places each time, and each token's successor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.training.batches import Batches


@given(st.integers(10, 300), st.integers(2, 9), st.integers(1, 20), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_targets_are_the_inputs_one_token_later(
    n_tokens: int, block_size: int, batch_size: int, seed: int
) -> None:
    batches = Batches(
        np.arange(n_tokens, dtype=np.uint16),
        block_size=block_size,
        batch_size=batch_size,
        seed=seed,
    )
    for _ in range(5):
        inputs, targets = batches.draw()
        assert inputs.shape == targets.shape == (batch_size, block_size)
        assert torch.equal(inputs + 1, targets)
        assert int(targets.max()) < n_tokens


def test_an_epoch_reads_no_token_twice_and_the_next_cuts_elsewhere() -> None:
    # 808 tokens: 100 blocks of 8 with their targets, whatever the offset.
    batches = Batches(np.arange(808, dtype=np.uint16), block_size=8, batch_size=100, seed=3)
    cuts, orders = set(), set()
    for _ in range(60):
        inputs, _ = batches.draw()
        assert len(set(inputs.flatten().tolist())) == 800
        cuts |= set((inputs[:, 0] % 8).tolist())
        orders.add(tuple((inputs[:, 0] // 8).tolist()))
    assert cuts == set(range(8)), "each token ends a block in some epoch"
    assert len(orders) == 60, "shuffled anew each time"


def test_a_text_of_one_block_is_drawn_again_and_again() -> None:
    batches = Batches(np.arange(9, dtype=np.uint16), block_size=8, batch_size=4, seed=1)
    inputs, _ = batches.draw()
    assert (inputs == torch.arange(8)).all()


@pytest.mark.parametrize("drawn", [0, 3])
def test_what_was_drawn_before_is_part_of_the_state(drawn: int) -> None:
    def fresh() -> Batches:
        return Batches(np.arange(100, dtype=np.uint16), block_size=8, batch_size=5, seed=2)

    one, other = fresh(), fresh()
    for _ in range(drawn):
        one.draw()
    other.load(one.state())
    for _ in range(6):
        assert torch.equal(one.draw()[0], other.draw()[0])


def test_a_text_on_disk_is_read_where_it_lies(tmp_path: Path) -> None:
    text = np.random.default_rng(0).integers(0, 60_000, 500).astype("<u2")
    text.tofile(tmp_path / "train.bin")
    mapped = np.memmap(tmp_path / "train.bin", dtype="<u2", mode="r")
    on_disk, in_memory = (
        Batches(one, block_size=8, batch_size=5, seed=2) for one in (mapped, text)
    )
    assert on_disk.tokens is mapped
    for _ in range(20):
        for ours, theirs in zip(on_disk.draw(), in_memory.draw(), strict=True):
            assert ours.dtype == torch.long
            assert torch.equal(ours, theirs)
