"""What is said of a choice follows from its numbers."""

from __future__ import annotations

import pandas as pd
import pytest

from looking_glass.report.prose.choice import (
    agreement,
    compare_blocks,
    explain_choice,
    explain_measures,
    explain_parts,
    explain_provenance,
)
from looking_glass.report.results import Choice
from tests.helpers.report import choice


def test_the_most_attended_word_that_matters_most_is_said_to() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {"f": 1.25})))
    assert "attended most to “f” (70.0%" in text
    assert "Removing this block's attention to “f” (1.25 nats) cost the choice more" in text
    assert "“␣eleven”, a probability of 40.0%" in text
    assert "next best was “␣other” with 20.0%" in text


def test_attention_that_did_not_matter_is_not_called_the_reason() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {"f": 0.01, "b": 2.0})))
    assert "removing that costs the choice only 0.01 nats" in text
    assert "to lose “b” (2 nats), which had 1.0% of the attention" in text


def test_a_word_that_spoke_against_the_choice_is_said_to() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {"f": -0.3, "b": 2.0})))
    assert "without its attention to “f” the choice becomes more probable, by 0.3 nats" in text
    assert "What spoke for it most, by what its removal costs, is “b” (2 nats)" in text


def test_where_nothing_mattered_no_reason_is_given() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {})))
    assert "none of these words is why the model chose it" in text


@pytest.mark.parametrize(
    ("correlation", "verdict"),
    [
        (0.9, "the two agree"),
        (0.3, "says little"),
        (-0.9, "the two disagree"),
        (None, "cannot be compared"),
    ],
)
def test_agreement_follows_the_correlation(correlation: float | None, verdict: str) -> None:
    assert verdict in agreement(correlation, 10)


def test_blocks_are_compared_by_their_own_numbers() -> None:
    first, last = choice({"f": 0.7}, {"f": 3.0}), choice({"b": 0.7}, {"b": 1.0})
    last.rows["entropy"] = 0.4
    text = " ".join(compare_blocks(Choice(**{**vars(first), "block": "first"}), last))
    assert "The first block spreads its attention wider" in text
    assert "the first block looks 4.0 tokens back, the last 4.0." in text
    assert "The first attends most to “f”, the last to “b”" in text
    assert "3 nats in the first block and 1 nats in the last: the first block's" in text


def test_measures_that_name_one_word_are_said_to() -> None:
    measures = choice({}, {"f": 3.0}).measures
    assert explain_measures(measures).startswith("Every measure names “f”")
    measures.loc[2, "top_word"] = "b"
    measures.loc[2, "top_effect"] = 0.5
    text = explain_measures(measures)
    assert "“b” by replacing it by a matched one (0.5 logits)" in text
    assert "“f” by removing it from this block's attention (3 nats), " in text


def test_where_a_word_comes_from_is_counted() -> None:
    table = pd.DataFrame(
        {
            "context": [" sat on", " sat on"],
            "context_tokens": [2, 2],
            "next": [" the", " a"],
            "count": [3, 1],
            "is_the_choice": [0, 0],
        }
    )
    text = explain_provenance(table, " her")
    assert "is “sat on” (2 tokens): there it is followed by “␣the” (3 times) and “␣a”" in text
    assert text.endswith("but not by the model's “␣her”.")
    table["is_the_choice"] = [1, 0]
    assert explain_provenance(table, " the").endswith("the model's “␣the” among them.")
    assert "No end of this context" in explain_provenance(table[:0], " the")


def test_the_parts_that_spoke_for_and_against_are_named() -> None:
    parts = pd.DataFrame(
        {
            "part": ["token embedding", "block 1, head 1", "block 1, MLP", "remainder"],
            "margin": [0.5, -0.25, 0.75, 1e-7],
        }
    )
    text = explain_parts(parts)
    assert "leads the next best token by 1.00 in logits" in text
    assert "most of it came from block 1, MLP (+0.75), token embedding (+0.50) and" in text
    assert "most against it from block 1, head 1 (-0.25)" in text
    assert "add up to within 1e-07" in text
