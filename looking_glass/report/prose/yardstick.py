"""How close explanations come to the exact answer, in sentences chosen and filled by numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.methods import (
    BY_KEY,
    EXACT,
    NEAREST,
    SHUFFLED,
    last_block,
    with_names,
)
from looking_glass.report.prose.phrases import listed, percent

NO_METHOD = (EXACT, SHUFFLED, NEAREST)  # what methods are held against


def explain_methods(table: pd.DataFrame, n: int, n_words: int) -> list[str]:
    """Return sentences on which method comes closest to the exact worth, beside chance."""
    rows = with_names(table)
    known = _by_method(rows)
    chance, nearest = known[SHUFFLED], known[NEAREST]
    rest = rows[~rows["method"].isin(NO_METHOD)]
    asks = rest["method"].map(lambda key: BY_KEY[key].asks_again)
    asked, read = _best(rest[asks]), _best(rest[~asks])
    sentences = [
        f"Over {n:,} contexts of {n_words} words each, the worth of every word was computed "
        f"exactly from all {2**n_words:,} sets of words, those not in a set removed from all "
        "attention. Mean rank correlation with the size of that worth and its 95 % interval: a "
        f"random order has {_interval(chance, 'removed_size')}; the nearest words first, which "
        f"needs no model, {_interval(nearest, 'removed_size')}. Of what is read off one pass or "
        f"its gradients, the highest is that of {read['label']} "
        f"({_interval(read, 'removed_size')}); of what asks the model again without a word, that "
        f"of {asked['label']} ({_interval(asked, 'removed_size')}).",
        _attention(rows, known),
        _orders(known, asked, read),
    ]
    none = rest[~(rest["removed_size_low"] > chance["removed_size_high"])]
    if len(none):
        names = "; ".join(none["label"])  # some have a comma of their own
        sentences.append(
            f"Not shown to be better than a random order by that correlation: {names}."
        )
    return sentences


def _orders(known: dict[str, Any], asked: Any, read: Any) -> str:
    """Return a sentence on how far the choice falls when words go in a method's order."""

    def fall(row: Any) -> str:
        return percent(float(row["removed_comprehensiveness"]))

    return (
        "Taken away in the order of their exact worth, the words bring the choice down "
        f"{fall(known[EXACT])} of the way from the worst order to the best one of each context; "
        f"in a random order {fall(known[SHUFFLED])}; in that of {asked['label']} {fall(asked)}, "
        f"of {read['label']} {fall(read)}."
    )


def _by_method(rows: pd.DataFrame) -> dict[str, Any]:
    """Return a row of each method: of those that have but one, that one."""
    return {str(row["method"]): row for row in rows.to_dict("records")}


def _best(rows: pd.DataFrame) -> pd.Series:
    best: pd.Series = rows.sort_values("removed_size", ascending=False, kind="stable").iloc[0]
    return best


def _interval(row: Any, name: str) -> str:
    return f"{row[name]:.2f}, {row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f}"


def _attention(rows: pd.DataFrame, known: dict[str, Any]) -> str:
    """Return a sentence on how far an attention map can be believed."""
    last = last_block(rows)
    parts = []
    for block, name in (("1", "first"), (str(last), "last")):
        row = rows[(rows["method"] == "attention") & (rows["block"] == block)].iloc[0]
        if row["removed_size_low"] > known[NEAREST]["removed_size_high"]:
            verdict = "more than nearness alone"
        elif row["removed_size_high"] < known[NEAREST]["removed_size_low"]:
            verdict = "less than nearness alone"
        else:
            verdict = "with intervals that overlap, not told apart from nearness alone"
        parts.append(
            f"the {name} block's has {_interval(row, 'removed_size')}, {verdict}; taken from a "
            f"model with all matrices drawn anew it has {_interval(row, 'redrawn_size')}"
        )
    return f"Attention: {'; '.join(parts)}."


def explain_sink(table: pd.DataFrame) -> str:
    """Return sentences on whether the first token is a sink of attention, and where."""
    even = float(table["even"].iloc[0])
    sinks = table[table["share_low"] > even]
    most = table.sort_values("share", ascending=False, kind="stable").iloc[0]
    share = (
        f"block {int(most['block'])} leaves most on it, {percent(most['share'])} of the choosing "
        f"row ({percent(most['share_low'])} to {percent(most['share_high'])}), where even "
        f"attention would leave {percent(even)}"
    )
    places = [str(int(block)) for block in sinks["block"]]
    plural = "" if len(places) == 1 else "s"
    verdict = (
        "no sink was found: in no block does the first token get more than its even share by more "
        f"than chance explains; {share}"
        if sinks.empty
        else f"it gets more than its even share in block{plural} {listed(places)}; {share}"
    )
    behind = table.dropna(subset="break_share")
    after = (
        ""
        if behind.empty
        else " With a paragraph break put before the context, the break gets at most "
        f"{percent(float(behind['break_share'].max()))} in any block (its even share is "
        f"{percent(float(behind['break_even'].iloc[0]))}), and the token that was first at most "
        f"{percent(float(behind['share_behind'].max()))}."
    )
    return (
        "A row must sum to 1 even where a head looks for nothing, and models often leave the rest "
        "on the first token: a sink (Gu et al. 2025; Barbero et al. 2025). Over the same contexts, "
        f"{verdict}. In that block the first token's value is {most['value_ratio']:.2f} times as "
        "long as the others' mean, and what heads carry from it "
        f"{most['carried_ratio']:.2f} times.{after}"
    )
