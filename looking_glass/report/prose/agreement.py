"""What attention's causes amount to, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.measures import MEASURES
from looking_glass.report.prose.choice import most_attended, placed
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

# What attention is held against: its name in tables, and what a reader calls it.
CONTROLS = (
    ("shuffled", "the same rows shuffled, which is chance, have"),
    ("position", "the mean row of the other contexts, which knows places alone,"),
    ("redrawn", "the same block of a model with all matrices drawn anew"),
)


def explain_trust(agreement: pd.DataFrame, details: Metrics) -> list[str]:
    """Return sentences on how far this block's attention tells which words mattered."""
    rows: Any = agreement.set_index(["measure", "kind", "pattern"]).to_dict("index")
    known = rows["knock_out_every_row", "size", "attention"]
    beside = [_beside(rows["knock_out_every_row", "size", name], what) for name, what in CONTROLS]
    return [
        f"Over {details['contexts']} contexts of the held-out text, each of "
        f"{details['context_words']} words, none overlapping another, this block's attention was "
        "ranked against what removing each word costs the choice, and what replacing it does. The "
        "table has the mean rank correlations and their 95 % intervals, the last three columns "
        "with the size of the effect, as the first.",
        "Attention is never negative: it can follow the size of an effect and not its side. With "
        "the size of the effect of removing a word from every row its correlation is "
        f"{known['correlation']:.2f}. Beside it: {listed(beside)}.",
        "The word that it attends to most is the one of the largest such effect in "
        f"{percent(known['same_top'])} of the contexts; even attention would name it in "
        f"{percent(known['uniform_same_top'])}, the places alone in "
        f"{percent(rows['knock_out_every_row', 'size', 'position']['same_top'])}.",
    ]


def trust_rows(agreement: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the rows of a table: of each intervention, attention's agreement and the controls'.

    With the size of the effect and with the effect as it is; the controls with its size.
    """
    rows: Any = agreement.set_index(["measure", "kind", "pattern"]).to_dict("index")
    table = []
    for measure in MEASURES:
        if measure.intervention:
            size, sign = (rows[measure.key, kind, "attention"] for kind in ("size", "sign"))
            beside = [rows[measure.key, "size", name]["correlation"] for name, _ in CONTROLS]
            controls = [f"{value:.2f}" for value in beside]
            table.append((measure.title, _interval(size), _interval(sign), *controls))
    return table


def _interval(row: dict[str, float]) -> str:
    return f"{row['correlation']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _beside(row: dict[str, float], what: str) -> str:
    """Return a control's correlation, and whether attention is above it."""
    low, high = row["lead_low"], row["lead_high"]
    verdict = (
        "attention is above it"
        if low > 0
        else "attention is below it"
        if high < 0
        else "attention is not told apart from it"
    )
    return f"{what} {row['correlation']:.2f} ({verdict}: {low:+.3f} to {high:+.3f})"


def compare_patterns(first: Metrics, last: Metrics) -> str:
    """Return sentences on what each block's pattern follows, above what unrelated rows share."""
    follows = []
    for name, share in (("first", first["pattern_kept"]), ("last", last["pattern_kept"])):
        follows.append(
            f"The {name} block's row has {percent(share['of_position'])} in common with the row "
            "at the same places when all other tokens are replaced, and "
            f"{percent(share['of_content'])} with the row of the same tokens when they are "
            "shuffled. Rows that share neither places nor tokens, which is chance, have "
            f"{percent(share['of_neither'])} in common: from that the first differs by "
            f"{_above(share, 'of_position')}, the second by {_above(share, 'of_content')}."
        )
    return (
        "Position against content, in the same contexts, with the 95 % interval of each difference "
        f"from chance. {' '.join(follows)}"
    )


def _above(share: Metrics, name: str) -> str:
    """Return by how many percentage points a share lies above chance, with its interval."""
    low, high = (100 * share[f"{name}_above_{end}"] for end in ("low", "high"))
    return f"{low:+.1f} to {high:+.1f} points"


def side_by_side_rows(first: Choice, last: Choice) -> list[tuple[str, str, str]]:
    """Return the rows of a table that sets the first block's choice against the last one's."""
    rows = [
        (label, f"{first.number(name):.3f}", f"{last.number(name):.3f}")
        for label, name in NUMBERS.items()
    ]
    rows.append(("attended to most", most_attended(first), most_attended(last)))
    words = first.words["text"].tolist()
    for measure in MEASURES:
        found = (first.measure(measure.key), last.measure(measure.key))
        a, b = (
            f"{placed(words, int(row['top']))} ({row['top_effect']:+.3f})"
            if row["top_effect"] == row["top_effect"]
            else "–"
            for row in found
        )
        rows.append((f"largest by {measure.short}", a, b))
    for measure in MEASURES:
        for kind, what in ((0, "the size of "), (1, "")):
            if kind == 1 and measure.key == "weighted_norm":
                continue  # a length has no sign: both are the same
            pair = (first.correlations[measure.key][kind], last.correlations[measure.key][kind])
            c, d = ("–" if value is None else f"{value:+.2f}" for value in pair)
            rows.append((f"rank correlation of attention with {what}{measure.short}", c, d))
    return rows
