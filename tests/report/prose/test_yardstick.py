"""What is said of explanations follows from how close they come, beside chance."""

from __future__ import annotations

import pytest

from looking_glass.report.prose.yardstick import explain_methods, explain_sink
from tests.helpers.report import method_rows, sinks


def test_methods_are_told_with_chance_nearness_and_their_intervals() -> None:
    table = method_rows(rollout_all=0.4, replacement_all=0.6)
    first, _, orders = explain_methods(table, 1200, 10)
    assert first.startswith("Over 1,200 contexts of 10 words each")
    assert "exactly from all 1,024 sets of words" in first
    assert "a random order has 0.00, -0.05 to 0.05;" in first
    assert "which needs no model, 0.20, 0.15 to 0.25." in first
    assert "that of attention rolled out over all blocks (0.40, 0.35 to 0.45)" in first
    assert "that of replacement by a matched word (0.60, 0.55 to 0.65)." in first
    assert "order of their exact worth, the words bring the choice down 150% of the way" in orders
    assert "in a random order 50.0%; in that of replacement by a matched word 110%, of" in orders
    assert orders.endswith("of attention rolled out over all blocks 90.0%.")


def test_the_highest_is_sought_in_every_block() -> None:
    first, *_ = explain_methods(method_rows(direct_2=0.45, knock_out_2=0.5), 9, 3)
    assert "the highest is that of direct effect, block 2 (0.45" in first
    assert "that of removal from the last row, block 2 (0.50" in first


def test_what_methods_are_held_against_is_no_method() -> None:
    first, *_ = explain_methods(method_rows(nearest_all=0.9, shuffled_all=0.8), 9, 3)
    assert "the highest is that of attention, first block (0.30" in first


@pytest.mark.parametrize(
    ("attention", "verdict"),
    [
        (0.31, "more than nearness alone"),
        (0.30, "with intervals that overlap, not told apart from nearness alone"),
        (0.10, "with intervals that overlap, not told apart from nearness alone"),
        (0.09, "less than nearness alone"),
    ],
)
def test_attention_is_more_than_nearness_only_beyond_both_intervals(
    attention: float, verdict: str
) -> None:
    _, said, *_ = explain_methods(method_rows(attention_1=attention, attention_3=0.5), 9, 3)
    interval = f"{attention:.2f}, {attention - 0.05:.2f} to {attention + 0.05:.2f}"
    assert f"the first block's has {interval}, {verdict}; taken from a model" in said
    assert "the last block's has 0.50, 0.45 to 0.55, more than nearness alone; taken" in said
    assert said.endswith("drawn anew it has 0.33, 0.28 to 0.38.")


def test_methods_that_a_random_order_may_equal_are_named() -> None:
    table = method_rows(rollout_all=0.1, gradient_input_all=-0.5, attention_2=0.0, direct_1=0.11)
    *_, last = explain_methods(table, 9, 3)
    assert last == (
        "Not shown to be better than a random order by that correlation: attention, block 2; "
        "attention rolled out over all blocks; gradient × input."
    )


def test_where_all_are_better_than_chance_none_is_named() -> None:
    assert len(explain_methods(method_rows(), 9, 3)) == 3


def test_a_method_whose_number_nobody_knows_is_not_shown_to_be_better() -> None:
    gone = float("nan")
    *_, last = explain_methods(method_rows(rollout_all=(gone, gone)), 2, 3)
    assert last.endswith("by that correlation: attention rolled out over all blocks.")


def test_no_sink_is_found_where_no_share_is_above_even_attention() -> None:
    said = explain_sink(sinks((0.12, 0.1, 0.14), (0.05, 0.04, 0.06)))
    assert "no sink was found: in no block" in said
    assert "more than its even share by more than chance explains" in said
    assert "block 1 leaves most on it, 12.0% of the choosing row (10.0% to 14.0%)" in said
    assert "where even attention would leave 10.0%" in said
    assert "it gets more than its even share" not in said


def test_blocks_with_more_than_the_even_share_are_named() -> None:
    said = explain_sink(sinks((0.2, 0.15, 0.25), (0.05, 0.04, 0.06), (0.3, 0.25, 0.35)))
    assert "it gets more than its even share in blocks 1 and 3; block 3 leaves most" in said
    assert "no sink" not in said
    # Of block 3, which leaves most.
    assert "value is 0.70 times as long as the others' mean" in said
    assert "what heads carry from it 1.70 times." in said
    one = explain_sink(sinks((0.2, 0.15, 0.25), (0.05, 0.04, 0.06)))
    assert "its even share in block 1; block 1 leaves" in one


def test_a_break_is_told_with_its_even_share_where_it_was_tried() -> None:
    said = explain_sink(sinks((0.2, 0.15, 0.25), (0.05, 0.04, 0.06)))
    assert said.endswith(
        "the break gets at most 40.0% in any block (its even share is 20.0%), and the token that "
        "was first at most 6.0%."
    )
    untried = explain_sink(sinks((0.2, 0.15, 0.25), behind=False))
    assert "paragraph break" not in untried
    assert "nan" not in untried
    assert "  " not in said
