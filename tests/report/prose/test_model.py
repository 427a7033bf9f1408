"""What is said of contexts, blocks and heads follows from the numbers, each under its condition."""

from __future__ import annotations

import pandas as pd

from looking_glass.report.prose.model import (
    explain_contexts,
    explain_heads,
    explain_held_out,
    explain_parts,
    explain_sample,
    explain_sliding,
)


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
    assert "no step to a longer context makes it worse by more than chance explains" in fine
    assert "The trigram has 4.950. All are means over the same 900 tokens." in fine
    (worse,) = explain_contexts(contexts(0.02, -0.01, 0.03))
    assert "worse by more than chance explains, 1.96 standard errors" in worse
    assert "of the change, at 2 tokens and 8 tokens" in worse


def test_a_change_of_one_standard_error_is_no_finding() -> None:
    (said,) = explain_contexts(contexts(0.015, 0.015))
    assert "it gets worse" not in said


def test_a_window_is_said_to_cost_less_or_more_with_its_error() -> None:
    def told(change: float, error: float | None) -> str:
        found = {"nats_per_token": 4.5, "window_change": change, "window_change_error": error}
        return explain_sliding(4.6, found, 32)

    assert told(-0.1, 0.02).endswith("cost falls by 0.1 nats (standard error 0.02).")
    assert told(0.1, 0.02).endswith("cost rises by 0.1 nats (standard error 0.02).")
    assert "rises by 1e-09 nats (standard error 0.02, no more than chance explains)" in told(
        1e-9, 0.02
    )
    assert "with no standard error" in told(0.1, None)


def test_blocks_and_heads_are_named_by_their_numbers() -> None:
    parts = pd.DataFrame(
        {
            "block": ["1", "2", "all"],
            "without_attention": [5.0, 5.5, 6.0],
            "without_mlp": [4.9, 4.9, 4.5],
            "attention_error": [0.2, 0.1, 0.1],
            "mlp_error": [0.1, 0.1, 0.05],
        }
    )
    said = explain_parts(parts, 4.75)
    assert "rises by 0.25 nats (standard error 0.2, no more than chance explains) per token" in said
    assert "all blocks it rises by 1.25 nats (standard error 0.1)" in said
    assert "the attention of block 2: it rises by 0.75 nats" in said
    assert said.endswith("Without all MLPs it falls by 0.25 nats (standard error 0.05).")
    heads = pd.DataFrame(
        {
            "block": [1, 1, 2],
            "head": [1, 2, 1],
            "distance": [1, 0, 3],
            "share": [0.7, 0.5, 0.9],
            "even": 0.02,
        }
    )
    assert "1 of 2 heads put more than 60.0%" in explain_heads(heads)
    assert "where even attention would put 2.0%" in explain_heads(heads)
    assert "head 1 looks 1 token back (70.0% of its attention)" in explain_heads(heads)


def test_losses_with_either_end_held_out_are_told_where_both_were_measured() -> None:
    measured = pd.DataFrame(
        {
            "held_out": ["first", "first", "last", "last"],
            "seed": [1, 2, 1, 2],
            "val_loss": [5.0, 5.2, 4.6, 4.8],
        }
    )
    said = explain_held_out(measured, "last")
    assert "reach 5.100 nats per token (2 seeds, standard deviation 0.141);" in said
    assert "4.700 nats per token (2 seeds, standard deviation 0.141)" in said
    assert "this run decided nothing by the held-out text" in said
    one = explain_held_out(measured[measured["seed"] == 1], "best")
    assert "5.000 nats per token (1 seed);" in one
    assert "also chose the step" in one
    for some in (measured[measured["held_out"] == "last"], measured.iloc[:0]):
        assert "not measured with either end" in explain_held_out(some, "last")


def test_what_was_read_in_part_is_said_and_nothing_where_all_was_whole() -> None:
    book = {"val_tokens": 25_000_000, "train_tokens": 225_000_000}
    assert explain_sample({"val_loss": 4.0}, book) is None
    found = {"val_tokens_read": 40_000, "train_tokens_read": 40_000}
    said = explain_sample(found, book)
    assert said is not None
    assert "measured on 40,000 of its 25,000,000 tokens, in runs spread evenly over it" in said
    assert "it learned from is on 40,000 of 225,000,000 tokens" in said
    assert "n-grams" not in said
    only = explain_sample({"baseline_tokens_counted": 10_000_000}, book)
    assert only is not None
    assert only.startswith("The n-grams were counted on 10,000,000 of the 225,000,000 tokens for")
