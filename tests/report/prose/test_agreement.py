"""What is said of attention and its causes at large follows from the numbers."""

from __future__ import annotations

import pandas as pd

from looking_glass.report.prose.agreement import (
    compare_patterns,
    explain_trust,
    side_by_side_rows,
)
from tests.helpers.report import choice


def trust(**low_and_high: tuple[float, float]) -> pd.DataFrame:
    names = ("knock_out", "knock_out_all_blocks", "replacement")
    rows = [low_and_high.get(name, (-0.1, 0.1)) for name in names]
    return pd.DataFrame(
        {
            "measure": names,
            "correlation": [(low + high) / 2 for low, high in rows],
            "low": [low for low, _ in rows],
            "high": [high for _, high in rows],
            "shuffled_high": [0.05] * 3,
            "same_top": [0.36] * 3,
            "uniform_same_top": [0.1] * 3,
        }
    )


def test_attention_is_trusted_only_where_it_beats_chance() -> None:
    text = explain_trust(trust(replacement=(0.2, 0.4)), 200)
    assert "Over 200 contexts" in text
    assert "better than shuffled attention does with replacing its token by a matched one" in text
    assert "(0.30, 0.20 to 0.40)" in text
    assert "not clearly better than shuffled attention for removing the source from this" in text
    assert "36.0% of the contexts; any one would be in 10.0%" in text
    all_clear = trust(**dict.fromkeys(trust()["measure"], (0.2, 0.4)))
    assert "not clearly better" not in explain_trust(all_clear, 9)
    assert "agrees better" not in explain_trust(trust(), 9)


def test_patterns_are_compared_by_their_numbers() -> None:
    first = {"pattern_kept": {"of_position": 0.9, "of_content": 0.4}}
    last = {"pattern_kept": {"of_position": 0.3, "of_content": 0.8}}
    kept = compare_patterns(first, last)
    assert "the first block's row keeps 90.0% when all other tokens are replaced, and 40.0%" in kept
    assert "the last block's row keeps 30.0%" in kept


def test_the_blocks_stand_side_by_side() -> None:
    first, last = choice({"f": 0.7}, {"f": 3.0}, 0.25), choice({"b": 0.7}, {"b": 1.0}, None)
    rows = {label: (a, b) for label, a, b in side_by_side_rows(first, last)}
    assert rows["entropy of the row (nats)"] == ("1.500", "1.500")
    assert rows["attended to most"] == ("“f”", "“b”")
    assert rows["mattered most by replacement (logits)"] == ("“f” (+3.000)", "“b” (+1.000)")
    assert rows["rank correlation of attention with length carried"] == ("+0.25", "–")
