"""What explaining choices is said to hold: the patterns exactly, and more for more."""

from __future__ import annotations

import torch

from looking_glass.attention import memory
from looking_glass.attention.patterns import trace
from looking_glass.gpt.memory import passing_bytes
from tests.helpers.models import make_model


def test_patterns_and_what_lies_beside_the_values_are_counted_exactly() -> None:
    model = make_model()
    traced = trace(model, torch.randn(3, 10, 8))
    kept = {t.untyped_storage().data_ptr(): t for t in (*traced.patterns, *traced.values)}
    held = sum(t.untyped_storage().nbytes() for t in kept.values())
    on_the_way = 3 * 4 * traced.patterns[0].numel() + passing_bytes(model.config, 3 * 10)
    assert memory.trace_bytes(model.config, 3, 10) == held + on_the_way


def test_longer_blocks_prompts_and_contexts_and_more_words_take_more() -> None:
    config = make_model().config
    known = {"prompts": [9], "cases": [8, 9], "n_words": 4, "threads": 1}
    before = memory.moments(config, **known)  # type: ignore[arg-type]
    for change in ({"prompts": [9, 12]}, {"cases": [8, 16]}, {"n_words": 5}, {"threads": 2}):
        after = memory.moments(config, **{**known, **change})  # type: ignore[arg-type]
        assert sum(sum(one.values()) for one in after.values()) > sum(
            sum(one.values()) for one in before.values()
        ), change
    longer = memory.habits_bytes(make_model(block_size=32).config)
    assert longer > 2 * memory.habits_bytes(config)
