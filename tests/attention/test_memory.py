"""What explaining choices is said to hold: the patterns exactly, and more for more."""

from __future__ import annotations

import torch

from looking_glass.attention import memory
from looking_glass.attention.heads import blocks_at_once
from looking_glass.attention.patterns import trace
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.memory import passing_bytes
from looking_glass.pipeline.memory import PYTORCH
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


def test_the_moments_by_hand() -> None:
    """Two blocks of two heads, 8 channels, 97 tokens, blocks of 16; four words in each context."""
    config = make_model().config
    found = memory.moments(config, [9], [8, 6], n_words=4, threads=3)
    weights = 4 * (2 * (12 * 8 * 8 + 13 * 8) + 16 * 8 + 2 * 8 + 97 * 8)
    rows = 4 * 97 * 8
    both = {"PyTorch": PYTORCH, "output layer": rows, "contexts": 2 * 4 * 2 * 2 * 2 * 8}

    def removals(n: int, length: int) -> int:
        patterns = 4 * n * (2 * (2 * length**2 + 3 * 8 * length) + 3 * 2 * length**2)
        passing = 4 * 15 * 8 * (n * length + (2 + 2) * n)
        return patterns + passing + n * length**2 + 4 * (2 + 2) * n * 1024 + 2 * 4 * n * 97

    blocks = 8  # read at once
    pattern = 4 * blocks * 2 * 16**2
    kept = 2 * pattern + 4 * blocks * 2 * 3 * 8 * 16
    assert found == {
        "the prompts": {**both, "a prompt without each token": removals(9, 9)},
        "the contexts": {
            **both,
            "the model redrawn": weights,
            "contexts without each word": 2 * removals(4, 8),  # of two contexts no more at once
        },
        "drawing the model anew": {**both, "the model redrawn": weights + 5 * rows},
        "the heads' habits": {
            **both,
            "patterns": kept + (3 + 1) * pattern + 3 * pattern // 4 + 4 * 15 * 8 * blocks * 16,
        },
    }


def test_as_many_blocks_are_read_at_once_as_half_a_gigabyte_of_patterns_holds() -> None:
    for shape, blocks in (((2, 2, 16), 8), ((6, 6, 1024), 3), ((12, 12, 1024), 1)):
        n_layer, n_head, block_size = shape
        width = 4 * n_head
        config = GPTConfig(
            vocab_size=97, block_size=block_size, n_layer=n_layer, n_head=n_head, n_embd=width
        )
        assert blocks_at_once(config) == blocks, shape
