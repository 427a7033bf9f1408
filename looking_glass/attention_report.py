"""What attention's causes amount to, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.figures import visible
from looking_glass.phrases import count, joined, nats, percent

Metrics = dict[str, Any]
MEASURES = {
    "knock_out": "removing the source from this block's attention",
    "knock_out_all_blocks": "removing it from the attention of all blocks",
    "replacement": "replacing its token by a matched one",
    "weighted_norm": "the length of what the block's heads carry from it",
    "direct": "what that adds to the chosen token's logit",
}
INTERVENTIONS = ("knock_out", "knock_out_all_blocks", "replacement")


def explain_trust(agreement: pd.DataFrame, n_contexts: int) -> str:
    """Return a sentence on how far this block's attention tells which sources mattered."""
    rows: Any = agreement.set_index("measure").to_dict("index")
    told: list[str] = []
    untold: list[str] = []
    for name in INTERVENTIONS:
        row = rows[name]
        clear = row["low"] > max(0.0, row["shuffled_high"])
        text = f"{MEASURES[name]} ({row['correlation']:.2f}, {row['low']:.2f} to {row['high']:.2f})"
        (told if clear else untold).append(text)
    parts = []
    if told:
        parts.append(f"it agrees better than shuffled attention does with {joined(told)}")
    if untold:
        parts.append(f"it is not clearly better than shuffled attention for {joined(untold)}")
    same, chance = rows["knock_out"]["same_top"], rows["knock_out"]["uniform_same_top"]
    return (
        f"Over {n_contexts} contexts of the held-out text, by the mean rank correlation of this "
        f"block's attention with what an intervention shows (95 % interval): {'; '.join(parts)}. "
        f"The source that it attends to most is the one whose removal from the block costs most in "
        f"{percent(same)} of the contexts; any one would be in {percent(chance)}."
    )


def explain_provenance(table: pd.DataFrame, chosen: str) -> str:
    """Return a sentence on where the end of the context stands in the training text."""
    if table.empty:
        return "No end of this context occurs in the training text."
    first = table.iloc[0]
    following = joined(
        [f"“{visible(row['next'])}” ({count(row['count'], 'time')})" for _, row in table.iterrows()]
    )
    verdict = (
        f"the model's “{visible(chosen)}” among them"
        if bool(table["is_the_choice"].any())
        else f"but not by the model's “{visible(chosen)}”"
    )
    length = count(int(first["context_tokens"]), "token")
    return (
        "The longest end of this context in the training text is "
        f"“{visible(str(first['context']).strip())}” ({length}): there it is followed by "
        f"{following}, {verdict}."
    )


def explain_parts(parts: pd.DataFrame) -> str:
    """Return a sentence on what spoke most for the choice over the next best token."""
    known = parts[parts["part"] != "remainder"]
    ranked = known.sort_values("margin", ascending=False, kind="stable")
    most = [f"{row['part']} ({row['margin']:+.2f})" for _, row in ranked.iloc[:3].iterrows()]
    least = ranked.iloc[-1]
    remainder = abs(parts.loc[parts["part"] == "remainder", "margin"].iloc[0])
    return (
        f"The choice leads the next best token by {parts['margin'].sum():.2f} in logits. Taken "
        f"apart into what every head, MLP and embedding added, most of it came from "
        f"{joined(most)}, and most against it from {least['part']} ({least['margin']:+.2f}); the "
        f"parts add up to within {remainder:.0e}."
    )


def compare_patterns(first: Metrics, last: Metrics, val_loss: float) -> list[str]:
    """Return sentences on what each block's pattern follows, and what the block is worth."""
    kept = {"first": first["pattern_kept"], "last": last["pattern_kept"]}
    cost = {
        name: {part: loss - val_loss for part, loss in metrics["val_loss_without"].items()}
        for name, metrics in (("first", first), ("last", last))
    }
    follows = [
        f"the {name} block's row keeps {percent(share['of_position'])} when all other tokens are "
        f"replaced, and {percent(share['of_content'])} of each token's share when they are shuffled"
        for name, share in kept.items()
    ]
    worth = [
        f"without the {name} block's attention the loss on the held-out text rises by "
        f"{nats(parts['attention'])} per token, without its MLP by {nats(parts['mlp'])}"
        for name, parts in cost.items()
    ]
    return [
        f"Position against content, in the same contexts: {joined(follows)}.",
        f"What each is worth: {joined(worth)}.",
    ]
