"""Why the model chose the 11th word, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

import math

import pandas as pd

from looking_glass.report.measures import BY_KEY
from looking_glass.report.prose.phrases import count, listed, nats, percent, quoted, visible
from looking_glass.report.results import Choice

WORDS = 10
# With ten words, one pair of unrelated rankings in twenty has a rank correlation that is as far
# from 0, in either direction. Source: tables of Spearman's coefficient, n = 10, two-sided.
UNRELATED = 0.65
NOTHING = 0.005  # nats: what is told to two decimals is told as 0 up to there
MOST_FREQUENT = 5  # of what follows a context in the training text: so many are named


def explain_choice(choice: Choice) -> list[str]:
    """Return sentences on what this block looked at when the 11th word was chosen, and its cost."""
    seen = choice.words.dropna(subset="knock_out")
    by_attention = seen.sort_values("predicting_row", ascending=False, kind="stable")
    by_effect = seen.sort_values("knock_out", ascending=False, kind="stable")
    second = choice.alternatives.iloc[1]
    words = seen["text"].tolist()
    return [
        f"After “{quoted(seen)}” the model gave its choice, "
        f"“{visible(choice.alternatives['text'].iloc[0])}”, a probability of "
        f"{percent(choice.alternatives['probability'].iloc[0])}; the next best was "
        f"“{visible(second['text'])}” with {percent(second['probability'])}.",
        f"At that step the {choice.block} block attended most to "
        f"{placed(words, _place(by_attention.iloc[0]))} "
        f"({percent(by_attention['predicting_row'].iloc[0])} of the row, mean over heads), then to "
        f"{also_attended(by_attention, words)}; even attention to all tokens would give each "
        f"{percent(math.exp(-choice.number('largest_entropy')))}.",
        explain_effect(by_attention.iloc[0], by_effect.iloc[0], words),
        agreement(choice.correlations["knock_out"], len(seen)),
        explain_measures(choice.measures, words),
    ]


def _place(row: pd.Series) -> int:
    """Return which word a row of a table of words is about."""
    return int(row["word"])


def placed(words: list[str], place: int) -> str:
    """Return a word in quotes, with its place where the words have it more than once."""
    text = f"“{words[place]}”"
    return f"{text} (word {place + 1})" if words.count(words[place]) > 1 else text


def explain_effect(top: pd.Series, strongest: pd.Series, words: list[str]) -> str:
    """Return a sentence on removing the word attended to most, and the one whose loss costs most.

    Both are rows of the table of words, told apart by their place, `word`.
    """
    most = placed(words, _place(strongest))
    if strongest["knock_out"] <= 0:
        return (
            "Removing any one word from this block's choosing row made the choice no less "
            "probable: it owes none of them anything here, as far as one at a time can tell."
        )
    if strongest["word"] == top["word"]:
        return (
            f"Of all words, removing {most} from this block's choosing row costs the choice most, "
            f"{nats(strongest['knock_out'])}: the one that it attended to most."
        )
    own = float(top["knock_out"])
    change = (
        f"makes the choice more probable, by {nats(-own)}"
        if own < 0
        else f"costs the choice {nats(own)}"
    )
    return (
        f"Removing that word from the row {change}. What costs most to remove is {most}: "
        f"{nats(strongest['knock_out'])}; it had {percent(strongest['predicting_row'])} of the row."
    )


def explain_measures(measures: pd.DataFrame, words: list[str]) -> str:
    """Return a sentence that names the word with the largest number, by every measure."""
    named: dict[int, list[str]] = {}
    for _, row in measures.dropna(subset="top_effect").iterrows():
        measure = BY_KEY[row["measure"]]
        value = f"{row['top_effect']:.3g} {measure.unit}".strip()
        named.setdefault(int(row["top"]), []).append(f"{measure.label} ({value})")
    told = [f"{placed(words, place)} by {listed(ways)}" for place, ways in named.items()]
    return (
        f"The word with the largest number is, by each measure: {'; '.join(told)}. A length tells "
        "how much was carried, not for which side."
    )


def most_attended(choice: Choice) -> str:
    """Return the word with the most attention in the predicting row, in quotes."""
    words = choice.words["text"].tolist()
    return placed(words, int(choice.words["predicting_row"].argmax()))


def also_attended(by_attention: pd.DataFrame, words: list[str]) -> str:
    """Return the second and third most attended words with their shares."""
    return " and ".join(
        f"{placed(words, _place(row))} ({percent(row['predicting_row'])})"
        for _, row in by_attention.iloc[1:3].iterrows()
    )


def agreement(correlations: tuple[float | None, float | None], n: int) -> str:
    """Return a sentence on how attention ranks the words beside the effect of removing each.

    `correlations` are with the size of the effect, and with the effect as it is.
    """
    size, sign = correlations
    if size is None or sign is None:
        return "Attention and effect cannot be compared: one of the two does not vary."
    side = "beyond" if abs(size) >= UNRELATED else "within"
    chance = (
        f"{side} the ±{UNRELATED} that 19 of 20 pairs of unrelated rankings keep to"
        if n == WORDS
        else "which one context alone cannot tell from chance"
    )
    return (
        f"Over the {n} words the rank correlation of attention with the size of the effect of "
        f"removing each is {size:.2f}, {chance}; with the effect as it is, for or against the "
        f"choice, {sign:.2f}."
    )


def compare_blocks(first: Choice, last: Choice) -> list[str]:
    """Return sentences on how the first block's attention differs from the last one's."""
    spread = {c.block: round(c.number("entropy"), 2) for c in (first, last)}
    wider = "first" if spread["first"] > spread["last"] else "last"
    verdict = (
        "Both blocks spread their attention equally wide"
        if spread["first"] == spread["last"]
        else f"The {wider} block spreads its attention wider"
    )
    sentences = [
        f"{verdict}: the entropy of the predicting row is {spread['first']:.2f} nats in the first "
        f"block and {spread['last']:.2f} in the last, where even attention to all positions would "
        f"have {first.number('largest_entropy'):.2f}."
    ]
    back = {c.block: c.number("mean_distance") for c in (first, last)}
    sentences.append(
        f"On average the first block looks {back['first']:.1f} tokens back, the last "
        f"{back['last']:.1f}."
    )
    tops = {c.block: most_attended(c) for c in (first, last)}
    if tops["first"] == tops["last"]:
        sentences.append(f"Both attend most to {tops['first']}.")
    else:
        sentences.append(f"The first attends most to {tops['first']}, the last to {tops['last']}.")
    effect = {
        c.block: nats(c.largest_knock_out) if c.largest_knock_out > 0 else "nothing"
        for c in (first, last)
    }
    sentences.append(
        f"Removing one word from the choosing row costs the choice at most {effect['first']} "
        f"in the first block and {effect['last']} in the last."
    )
    return sentences


def explain_provenance(table: pd.DataFrame, chosen: str) -> str:
    """Return a sentence on where the end of the context stands in the training text."""
    if table.empty:
        return "No end of this context occurs in the training text."
    first, own = table.iloc[0], table[table["is_the_choice"] == 1]
    listing = table[table["rank"] <= MOST_FREQUENT]
    following = listed(
        [
            f"“{visible(row['next'])}” ({count(row['count'], 'time')})"
            for _, row in listing.iterrows()
        ]
    )
    followers = int(first["followers"])
    more = f", the {len(listing)} most frequent of {followers}" if followers > len(listing) else ""
    if own.empty:
        verdict = f"the model's “{visible(chosen)}” never follows it there"
    else:
        rank, times = int(own["rank"].iloc[0]), int(own["count"].iloc[0])
        verdict = (
            f"the model's “{visible(chosen)}” is number {rank} of them "
            f"({times} of {count(int(first['times']), 'time')})"
        )
    length = count(int(first["context_tokens"]), "token")
    return (
        "The longest end of this context in the training text is "
        f"“{visible(str(first['context']).strip())}” ({length}): there it is followed by "
        f"{following}{more}; {verdict}."
    )


def explain_parts(parts: pd.DataFrame) -> str:
    """Return a sentence on the parts of the residual stream that set the choice off its rival."""
    known = parts[parts["part"] != "remainder"]
    ranked = known.sort_values("margin", ascending=False, kind="stable")
    most = [f"{row['part']} ({row['margin']:+.2f})" for _, row in ranked.iloc[:3].iterrows()]
    least = ranked.iloc[-1]
    remainder = abs(parts.loc[parts["part"] == "remainder", "margin"].iloc[0])
    return (
        f"The choice leads the next best token by {parts['margin'].sum():.2f} in logits. Taken "
        f"apart into what each of {len(known)} heads, MLPs, embeddings and biases added to that "
        f"lead, the largest parts are {listed(most)}, the smallest is {least['part']} "
        f"({least['margin']:+.2f}); they add up to it within {remainder:.0e}."
    )


def explain_worth(table: pd.DataFrame, chosen: str) -> list[str]:
    """Return sentences on what each word was worth to the choice, exactly, by either way."""
    words, n = table["text"].tolist(), len(table)
    return [
        f"Exactly: of these {n} words there are {2**n:,} sets, and the model was asked after every "
        f"one how probable “{visible(chosen)}” is. A word's worth is what it adds to the sets that "
        "it joins, over all orders in which they may come (its Shapley value). "
        "Where the words that a set lacks are replaced by others of their kind, "
        + _worth(table, "replaced", words)
        + ".",
        "Where they are removed from the attention of every position in every block, "
        + _worth(table, "removed", words)
        + f". Removal leaves the embedding of the last word, {placed(words, n - 1)}, in the "
        "place where the choice is made: what the choice owes to that alone, only replacing shows.",
    ]


def _worth(table: pd.DataFrame, way: str, words: list[str]) -> str:
    """Return what the words are worth by one way: together, the most, the least."""
    own = f"{way}_worth"
    known = table.dropna(subset=own).sort_values(own, ascending=False, kind="stable")
    if known.empty:
        return "none of the words has a worth: nothing can stand in for them"
    told = [f"{placed(words, _place(row))} ({row[own]:+.2f})" for _, row in known.iterrows()]
    against = (
        f"worth least is {told[-1]}, which makes it less probable"
        if known[own].iloc[-1] < -NOTHING
        else f"none makes it less probable by more than {NOTHING} nats; worth least is {told[-1]}"
    )
    lacking = len(table) - len(known)
    without = (
        f" ({count(lacking, 'word')} that nothing can stand in for left out)" if lacking else ""
    )
    return (
        f"all words together are worth {table[f'{way}_total'].iloc[0]:+.2f} nats to it{without}, "
        f"and worth most is {', then '.join(told[:2])}; {against}"
    )
