"""What is said of contexts, blocks and heads follows from the numbers, each under its condition."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.pipeline.params import settings_key
from looking_glass.report.prose.model import (
    explain_contexts,
    explain_heads,
    explain_held_out,
    explain_parts,
    explain_sliding,
)

SETTINGS: dict[str, Any] = {"model": {"n_layer": 2}, "train": {"steps": 5, "seed": 1}}


def contexts(*changes: float) -> pd.DataFrame:
    loss = [5.0]
    for change in changes:
        loss.append(loss[-1] + change)
    return pd.DataFrame(
        {
            "length": [2**i for i in range(len(loss))],
            "loss": loss,
            "standard_error": 0.08,
            "change": [0.0, *changes],
            "change_error": [0.0] + [0.01] * len(changes),
            "tokens": 900,
            "trigram": 4.95,
        }
    )


def test_longer_contexts_are_said_to_hurt_only_where_they_do() -> None:
    (fine,) = explain_contexts(contexts(-0.2, 0.009))
    assert "no doubling makes it worse" in fine
    assert "below the trigram" in fine
    (worse,) = explain_contexts(contexts(0.02, -0.01, 0.03))
    assert "worse by more than its standard error at 2 tokens and 8 tokens" in worse
    assert "not below the trigram's 4.950" in worse


def test_a_window_is_said_to_be_lower_or_higher() -> None:
    assert "4.500, which is lower" in explain_sliding(4.6, {"nats_per_token": 4.5}, 32)
    assert "4.700, which is higher" in explain_sliding(4.6, {"nats_per_token": 4.7}, 32)


def test_blocks_and_heads_are_named_by_their_numbers() -> None:
    parts = pd.DataFrame(
        {
            "block": ["1", "2", "all"],
            "without_attention": [5.0, 5.5, 6.0],
            "without_mlp": [4.9, 4.9, 7.0],
        }
    )
    said = explain_parts(parts, 4.75)
    assert "by 0.25 nats per token" in said
    assert "all blocks by 1.25 nats" in said
    assert "worth most in block 2 (0.75 nats)" in said
    heads = pd.DataFrame(
        {"block": [1, 1, 2], "head": [1, 2, 1], "distance": [1, 0, 3], "share": [0.7, 0.5, 0.9]}
    )
    assert "1 of 2 heads put more than 60.0%" in explain_heads(heads)
    assert "head 1 looks 1 token back (70.0% of its attention)" in explain_heads(heads)


def test_what_was_measured_is_told_of_the_settings_that_were_measured_alone() -> None:
    seeds = pd.DataFrame(
        {
            "settings": settings_key(SETTINGS),
            "held_out": ["first", "first", "last", "last"],
            "seed": [1, 2, 1, 2],
            "val_loss": [5.0, 5.2, 4.6, 4.8],
        }
    )
    said = explain_held_out(seeds, SETTINGS, "last", "last")
    assert "there they reach 5.100 nats per token (2 seeds, standard deviation 0.141)" in said
    one = seeds[seeds["seed"] == 1]
    assert "5.000 nats per token (1 seed)," in explain_held_out(one, SETTINGS, "last", "last")
    half = seeds[seeds["held_out"] == "last"]
    assert "not measured" in explain_held_out(half, SETTINGS, "last", "last")
    assert "4.700" in said
    other = {**SETTINGS, "train": {"steps": 6, "seed": 1}}
    assert "not measured" in explain_held_out(seeds, other, "last", "last")
    another_seed = {**SETTINGS, "train": {"steps": 5, "seed": 9}}
    assert "5.100" in explain_held_out(seeds, another_seed, "last", "last")
    assert "also chose the step" in explain_held_out(seeds, SETTINGS, "best", "last")
