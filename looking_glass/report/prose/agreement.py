"""What attention's causes amount to, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from looking_glass.report.measures import MEASURES
from looking_glass.report.prose.choice import most_attended
from looking_glass.report.prose.phrases import listed, percent
from looking_glass.report.results import Choice

Metrics = dict[str, Any]
NUMBERS = {
    "entropy of the row (nats)": "entropy",
    "mean distance (tokens back)": "mean_distance",
    "share on the token itself": "on_itself",
    "share on the token before it": "on_previous",
    "share on the first token": "on_first",
}


def explain_trust(agreement: pd.DataFrame, n_contexts: int) -> str:
    """Return a sentence on how far this block's attention tells which sources mattered."""
    rows: Any = agreement.set_index("measure").to_dict("index")
    told: list[str] = []
    untold: list[str] = []
    for measure in MEASURES:
        if not measure.intervention:
            continue
        row = rows[measure.key]
        clear = row["low"] > max(0.0, row["shuffled_high"])
        interval = f"{row['low']:.2f} to {row['high']:.2f}"
        text = f"{measure.source_label} ({row['correlation']:.2f}, {interval})"
        (told if clear else untold).append(text)
    parts = []
    if told:
        parts.append(f"it agrees better than shuffled attention does with {listed(told)}")
    if untold:
        parts.append(f"it is not clearly better than shuffled attention for {listed(untold)}")
    same, chance = rows["knock_out"]["same_top"], rows["knock_out"]["uniform_same_top"]
    return (
        f"Over {n_contexts} contexts of the held-out text, by the mean rank correlation of this "
        f"block's attention with what an intervention shows (95 % interval): {'; '.join(parts)}. "
        f"The source that it attends to most is the one whose removal from the block costs most in "
        f"{percent(same)} of the contexts; any one would be in {percent(chance)}."
    )


def compare_patterns(first: Metrics, last: Metrics) -> str:
    """Return a sentence on what each block's pattern follows: positions, or the tokens there."""
    follows = [
        f"the {name} block's row keeps {percent(share['of_position'])} when all other tokens are "
        f"replaced, and {percent(share['of_content'])} of each token's share when they are shuffled"
        for name, share in (("first", first["pattern_kept"]), ("last", last["pattern_kept"]))
    ]
    return f"Position against content, in the same contexts: {listed(follows)}."


def side_by_side_rows(first: Choice, last: Choice) -> list[tuple[str, str, str]]:
    """Return the rows of a table that sets the first block's choice against the last one's."""
    rows = [
        (label, f"{first.number(name):.3f}", f"{last.number(name):.3f}")
        for label, name in NUMBERS.items()
    ]
    rows.append(("attended to most", f"“{most_attended(first)}”", f"“{most_attended(last)}”"))
    for measure in MEASURES:
        found = (first.measure(measure.key), last.measure(measure.key))
        a, b = (f"“{row['top_word']}” ({row['top_effect']:+.3f})" for row in found)
        rows.append((f"mattered most by {measure.short}", a, b))
    for measure in MEASURES:
        found = (first.measure(measure.key), last.measure(measure.key))
        c, d = (
            "–" if math.isnan(value) else f"{value:+.2f}"
            for value in (float(row["words_correlation"]) for row in found)
        )
        rows.append((f"rank correlation of attention with {measure.short}", c, d))
    return rows
