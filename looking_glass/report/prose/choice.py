"""Why the model chose the 11th word, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

import pandas as pd

from looking_glass.report.measures import BY_KEY
from looking_glass.report.prose.phrases import count, listed, nats, percent, quoted, visible
from looking_glass.report.results import Choice

# From this rank correlation on, attention and the effect of removing it are said to agree: with ten
# words, no more than one pair of unrelated rankings in twenty comes so close, in either direction.
AGREEMENT = 0.65


def explain_choice(choice: Choice) -> list[str]:
    """Return sentences on why the model chose the 11th word, as far as this block shows it."""
    seen = choice.words.dropna(subset="knock_out").reset_index(drop=True)
    by_attention = seen.sort_values("predicting_row", ascending=False, kind="stable")
    by_effect = seen.sort_values("knock_out", ascending=False, kind="stable")
    top, strongest = by_attention.iloc[0], by_effect.iloc[0]
    second = choice.alternatives.iloc[1]
    sentences = [
        f"After “{quoted(seen['text'])}” the model gave its choice, "
        f"“{visible(choice.alternatives['text'].iloc[0])}”, a probability of "
        f"{percent(choice.alternatives['probability'].iloc[0])}; the next best was "
        f"“{visible(second['text'])}” with {percent(second['probability'])}.",
        f"At that step the {choice.block} block attended most to “{top['text']}” "
        f"({percent(top['predicting_row'])} of the row, mean over heads), then to "
        f"{also_attended(by_attention)}.",
    ]
    sentences.append(explain_effect(top, strongest))
    sentences.append(agreement(choice.correlation, len(seen)))
    sentences.append(explain_measures(choice.measures))
    return sentences


def explain_effect(top: pd.Series, strongest: pd.Series) -> str:
    """Return a sentence on removing the word attended to most, and the one that mattered most."""
    lost = f"“{strongest['text']}” ({nats(strongest['knock_out'])})"
    if strongest["knock_out"] <= 0:
        return (
            "Removing this block's attention to any one word made the choice no less probable: "
            "none of these words is why the model chose it, as far as this block goes."
        )
    if strongest["text"] == top["text"]:
        return (
            f"Removing this block's attention to {lost} cost the choice more log-probability than "
            "for any other word: what it looked at most is also what mattered most here."
        )
    if top["knock_out"] < 0:
        return (
            f"Yet without its attention to “{top['text']}” the choice becomes more probable, by "
            f"{nats(-top['knock_out'])}: that word spoke against it. What spoke for it most, by "
            f"what its removal costs, is {lost}."
        )
    return (
        f"Yet removing that costs the choice only {nats(top['knock_out'])}; what costs it most is "
        f"to lose {lost}, which had {percent(strongest['predicting_row'])} of the attention."
    )


def explain_measures(measures: pd.DataFrame) -> str:
    """Return a sentence that names the word which mattered most, by every measure."""
    named: dict[str, list[str]] = {}
    for _, row in measures.iterrows():
        measure = BY_KEY[row["measure"]]
        value = f"{row['top_effect']:.3g} {measure.unit}".strip()
        named.setdefault(str(row["top_word"]), []).append(f"{measure.label} ({value})")
    if len(named) == 1:
        ((word, ways),) = named.items()
        return f"Every measure names “{word}” as the word that mattered most: by {listed(ways)}."
    told = [f"“{word}” by {listed(ways)}" for word, ways in named.items()]
    return f"The word that spoke for the choice most is, by each measure: {'; '.join(told)}."


def most_attended(choice: Choice) -> str:
    """Return the word with the most attention in the predicting row."""
    return str(choice.words["text"].iloc[int(choice.words["predicting_row"].argmax())])


def also_attended(by_attention: pd.DataFrame) -> str:
    """Return the second and third most attended words with their shares."""
    rows = [row for _, row in by_attention.iloc[1:3].iterrows()]
    return " and ".join(f"“{row['text']}” ({percent(row['predicting_row'])})" for row in rows)


def agreement(correlation: float | None, n: int) -> str:
    """Return a sentence on whether attention ranks the words as their removal does."""
    if correlation is None:
        return "Attention and effect cannot be compared: one of the two does not vary."
    verdict = (
        "the two agree"
        if correlation >= AGREEMENT
        else "the two disagree"
        if correlation <= -AGREEMENT
        else "attention says little about what mattered"
    )
    return (
        f"Over the {n} words the rank correlation between attention and the effect of removing it "
        f"is {correlation:.2f}: {verdict} in this block, for this sentence."
    )


def compare_blocks(first: Choice, last: Choice) -> list[str]:
    """Return sentences on how the first block's attention differs from the last one's."""
    spread = {c.block: c.number("entropy") for c in (first, last)}
    wider = "first" if spread["first"] > spread["last"] else "last"
    sentences = [
        f"The {wider} block spreads its attention wider: the entropy of the predicting row is "
        f"{spread['first']:.2f} nats in the first block and {spread['last']:.2f} in the last, "
        f"where even attention to all positions would have "
        f"{first.number('largest_entropy'):.2f}."
    ]
    back = {c.block: c.number("mean_distance") for c in (first, last)}
    sentences.append(
        f"On average the first block looks {back['first']:.1f} tokens back, the last "
        f"{back['last']:.1f}."
    )
    tops = {c.block: most_attended(c) for c in (first, last)}
    if tops["first"] == tops["last"]:
        sentences.append(f"Both attend most to “{tops['first']}”.")
    else:
        sentences.append(
            f"The first attends most to “{tops['first']}”, the last to “{tops['last']}”."
        )
    effect = {c.block: c.largest_knock_out for c in (first, last)}
    stronger = "first" if effect["first"] > effect["last"] else "last"
    sentences.append(
        f"Removing one word's attention costs the choice at most {nats(effect['first'])} in the "
        f"first block and {nats(effect['last'])} in the last: the {stronger} block's attention "
        "mattered more to this choice."
    )
    return sentences


def explain_provenance(table: pd.DataFrame, chosen: str) -> str:
    """Return a sentence on where the end of the context stands in the training text."""
    if table.empty:
        return "No end of this context occurs in the training text."
    first = table.iloc[0]
    following = listed(
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
        f"{listed(most)}, and most against it from {least['part']} ({least['margin']:+.2f}); the "
        f"parts add up to within {remainder:.0e}."
    )
