"""What a run is said to hold is what it holds; lowering a key that is named lowers it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch

from looking_glass.gpt.config import GPTConfig
from looking_glass.training import memory
from looking_glass.training.token_table import Vocabulary
from tests.helpers.training import BYTES, SHAPE, noise, settings, start

BIG: Any = {**SHAPE, "n_embd": 32, "n_layer": 4, "block_size": 16, "dropout": 0.1}
VOCABULARY = Vocabulary(noise().train, BYTES)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("tie", [True, False])
def test_gradients_and_the_optimizers_state_are_counted_exactly(optimizer: str, tie: bool) -> None:
    run = start(noise(), tie=tie, optimizer=optimizer)
    run.step()
    told = memory.moments(run.learner.model.config, run.params, VOCABULARY)["an update"]
    states = [s for o in run.optimizers for state in o.state.values() for s in state.values()]
    matrices = [s for s in states if isinstance(s, torch.Tensor) and s.ndim > 0]
    assert told["optimizer"] == 4 * sum(s.numel() for s in matrices)
    gradients = [p.grad for p in run.learner.parameters() if p.grad is not None]
    assert told["gradients"] == 4 * sum(g.numel() for g in gradients)


def held(shape: dict[str, Any], changes: dict[str, Any], part: str) -> int:
    found = memory.moments(GPTConfig(**shape), settings(**changes), VOCABULARY)
    return max(parts.get(part, 0) for parts in found.values())


@pytest.mark.parametrize(
    ("part", "key"),
    [(part, key) for part, keys in memory.KEYS.items() for key in keys],
)
def test_a_lower_key_lowers_what_it_is_said_to_set(part: str, key: str) -> None:
    section, name = key.split(" ")[0].split(".")
    shape, changes = dict(BIG), {"batch_size": 64, "sampled_tokens": 20, "softmax": "sampled"}
    before = held(shape, changes, part)
    lowered: dict[str, Any] = shape if section == "model" else changes
    lowered[name] //= 2
    assert held(shape, changes, part) < before


def test_parts_of_a_batch_and_processes_take_less_each() -> None:
    config = GPTConfig(**BIG)
    sizes = [
        memory.moments(config, settings(batch_size=64, accumulate=n), VOCABULARY, n_processes=m)
        for n, m in ((1, 1), (2, 1), (2, 2))
    ]
    steps = [one["a step and an evaluation"]["activations"] for one in sizes]
    assert all(a > 1.9 * b for a, b in itertools.pairwise(steps))
    updates = [one["an update"] for one in sizes]
    assert [one["exchanged gradients"] for one in updates] == [0, 0, updates[0]["gradients"]]


def test_a_batch_that_cannot_be_shared_out_is_no_concern_of_memory() -> None:
    config = replace(GPTConfig(**BIG), block_size=2)
    told = memory.moments(config, settings(batch_size=1, accumulate=1000), VOCABULARY)
    assert told["a step and an evaluation"]["activations"] > 0
