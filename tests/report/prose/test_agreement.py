"""What is said of attention and its causes at large follows from the numbers, and chance's."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from looking_glass.report.measures import MEASURES
from looking_glass.report.prose.agreement import (
    compare_patterns,
    explain_trust,
    side_by_side_rows,
    trust_rows,
)
from tests.helpers.report import choice

DETAILS = {"contexts": 200, "context_words": 10}
EVERY_ROW = "knock_out_every_row"
Interval = tuple[float, float]


def trust(**leads: Interval) -> pd.DataFrame:
    """A table of agreement; `leads` are attention's over controls, for removal from every row."""
    rows = []
    for number, measure in enumerate(one.key for one in MEASURES):
        for kind, shift in (("size", 0.0), ("sign", -0.3)):
            for place, pattern in enumerate(("attention", "shuffled", "position", "redrawn")):
                mean = 0.5 + number / 100 + shift - place / 10
                low, high = leads.get(pattern, (-0.1, 0.1))
                alone = pattern == "attention"
                rows.append(
                    {
                        "measure": measure,
                        "kind": kind,
                        "pattern": pattern,
                        "correlation": mean,
                        "low": mean - 0.05,
                        "high": mean + 0.05,
                        "lead": math.nan if alone else (low + high) / 2,
                        "lead_low": math.nan if alone else low,
                        "lead_high": math.nan if alone else high,
                        "same_top": 0.36 - place / 100,
                        "uniform_same_top": 0.1,
                    }
                )
    return pd.DataFrame(rows)


def test_size_and_sign_are_told_apart_for_each_intervention() -> None:
    told, _, _ = explain_trust(trust(), DETAILS)
    assert "Over 200 contexts of the held-out text, each of 10 words, none overlapping" in told
    rows = {label: cells for label, *cells in trust_rows(trust())}
    for number, measure in enumerate(MEASURES):
        size, sign = 0.5 + number / 100, 0.2 + number / 100
        assert (measure.title in rows) is measure.intervention
        if measure.intervention:
            assert rows[measure.title] == [
                f"{size:.2f} ({size - 0.05:.2f} to {size + 0.05:.2f})",
                f"{sign:.2f} ({sign - 0.05:.2f} to {sign + 0.05:.2f})",
                *(f"{size - place / 10:.2f}" for place in (1, 2, 3)),
            ]


@pytest.mark.parametrize(
    ("lead", "verdict"),
    [
        ((0.2, 0.4), "attention is above it: +0.200 to +0.400"),
        ((-0.4, -0.2), "attention is below it: -0.400 to -0.200"),
        ((-0.1, 0.3), "attention is not told apart from it: -0.100 to +0.300"),
        ((0.0, 0.3), "attention is not told apart from it: +0.000 to +0.300"),
        ((-0.3, 0.0), "attention is not told apart from it: -0.300 to +0.000"),
    ],
)
def test_attention_is_above_a_control_only_beyond_its_interval(
    lead: Interval, verdict: str
) -> None:
    _, beside, _ = explain_trust(trust(position=lead), DETAILS)
    assert f"which knows places alone, 0.32 ({verdict})" in beside
    assert "shuffled, which is chance, have 0.42 (attention is not told apart from it: -0" in beside
    assert "all matrices drawn anew 0.22 (" in beside
    assert "from every row its correlation is 0.52. Beside it: " in beside


def test_the_top_word_is_told_beside_even_attention_and_places() -> None:
    *_, top = explain_trust(trust(), DETAILS)
    assert "36.0% of the contexts; even attention would name it in 10.0%, the places" in top
    assert top.endswith("the places alone in 34.0%.")


def kept(position: Interval, content: Interval) -> dict[str, Any]:
    share = {"of_position": 0.9, "of_content": 0.4, "of_neither": 0.35}
    for name, (low, high) in (("of_position", position), ("of_content", content)):
        share |= {f"{name}_above_low": low, f"{name}_above_high": high}
    return {"pattern_kept": share}


def test_patterns_are_told_beside_what_unrelated_rows_share() -> None:
    first, last = kept((0.5, 0.6), (-0.01, 0.02)), kept((-0.2, -0.1), (0.3, 0.4))
    said = compare_patterns(first, last)
    assert "The first block's row has 90.0% in common with the row at the same places" in said
    assert "40.0% with the row of the same tokens" in said
    assert said.count("places nor tokens, which is chance, have 35.0% in common") == 2
    assert "differs by +50.0 to +60.0 points, the second by -1.0 to +2.0 points. The last" in said
    assert said.endswith("by -20.0 to -10.0 points, the second by +30.0 to +40.0 points.")
    assert "with the 95 % interval of each difference from chance" in said


def test_the_blocks_stand_side_by_side() -> None:
    first = choice({"f": 0.7}, {"f": 3.0}, 0.25, -0.5)
    last = choice({"b": 0.7}, {"b": 1.0}, None, None)
    rows = {label: (a, b) for label, a, b in side_by_side_rows(first, last)}
    assert rows["entropy of the row (nats)"] == ("1.500", "1.500")
    assert rows["attended to most"] == ("“f”", "“b”")
    assert rows["largest by replacement (logits)"] == ("“f” (+3.000)", "“b” (+1.000)")
    with_ = "rank correlation of attention with"
    assert rows[f"{with_} the size of direct effect (nats)"] == ("+0.25", "–")
    assert rows[f"{with_} direct effect (nats)"] == ("-0.50", "–")
    assert f"{with_} the size of length carried" in rows
    assert f"{with_} length carried" not in rows, "a length has no sign"


def test_a_word_without_a_number_is_no_largest_one() -> None:
    first, last = choice({}, {"f": 3.0}), choice({}, {"b": 1.0})
    first.measures.loc[first.measures["measure"] == "replacement", "top_effect"] = math.nan
    rows = {label: (a, b) for label, a, b in side_by_side_rows(first, last)}
    assert rows["largest by replacement (logits)"] == ("–", "“b” (+1.000)")
