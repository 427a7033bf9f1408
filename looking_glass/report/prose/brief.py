"""What the model is worth, and the six answers of the page in short, made from numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from looking_glass.report.prose.choice import most_attended, placed
from looking_glass.report.prose.phrases import count, listed, nats, percent, read_of, visible
from looking_glass.report.readings import PARALLEL, Readings
from looking_glass.report.results import Choice

Metrics = dict[str, Any]
LONGEST = 60  # characters of a sentence that is quoted in short


@dataclass(frozen=True, kw_only=True)
class ShortAnswer:
    """One part of the exercise in short: its number, what it means, and where all of it stands."""

    part: str  # the name of the part of the page
    title: str
    number: str
    unit: str
    text: str
    figures: list[str] = field(default_factory=list)


def explain_loss(metrics: Metrics) -> str:
    """Return a sentence that compares the model with its baselines."""
    return (
        f"With {metrics['val_loss']:.3f} nats per token on the held-out text "
        f"({metrics['val_bits_per_byte']:.3f} bits per byte) it {_beaten(metrics)}; on the text "
        f"for training its loss is {metrics['train_loss']:.3f}."
    )


def _beaten(metrics: Metrics) -> str:
    loss, baselines = metrics["val_loss"], metrics["baseline_val_loss"]
    beaten = [name for name, value in baselines.items() if loss < value]
    rest = [name for name, value in baselines.items() if loss >= value]
    parts = []
    if beaten:
        parts.append(f"beats the {listed(beaten)}")
    if rest:
        parts.append(f"does not beat the {listed(rest)}")
    return " and ".join(parts)


def of_data(encoded: Metrics) -> ShortAnswer:
    """Return how much text there is, and what of the held-out part was never met."""
    return ShortAnswer(
        part="data",
        title="The data",
        number=f"{encoded['tokens']:,}",
        unit="tokens",
        text=(
            f"GPT-2's byte-pair encoder made {count(encoded['tokens'], 'token')} of the book, "
            f"{encoded['distinct_tokens']:,} of them distinct. The model learned from "
            f"{encoded['train_tokens']:,}; {encoded['val_tokens']:,} are held out, of which "
            f"{percent(encoded['val_unseen_rate'])} never occur in the others."
        ),
        figures=["frequencies"],
    )


def of_training(metrics: Metrics, steps: int) -> ShortAnswer:
    """Return the loss, that of the best n-gram, and that of a guess among all tokens."""
    found, even = metrics["evaluate"], metrics["logprob"]["even_nats"]
    best, lowest = min(found["baseline_val_loss"].items(), key=lambda item: item[1])
    read = read_of(found.get("val_tokens_read"), metrics["encode"]["val_tokens"])
    begun = f"After {count(steps, 'step')}" if steps else "As it was given, without a step here,"
    return ShortAnswer(
        part="training",
        title="Training",
        number=f"{found['val_loss']:.3f}",
        unit="nats per token, held-out text",
        text=(
            f"{begun} a token of the held-out text{read} costs "
            f"{found['val_loss']:.3f} nats, one of the text for training "
            f"{found['train_loss']:.3f}. It {_beaten(found)}: the best of these, the {best}, has "
            f"{lowest:.3f}; a guess among all tokens alike costs {even:.3f}."
        ),
        figures=["loss"],
    )


def of_inversion(
    found: Metrics, said: list[dict[str, Any]], readings: Readings, sentence: str
) -> ShortAnswer:
    """Return how often learned vectors made the model say the sentence, and what bounds the loss.

    `said` has of each reading its exact restarts, and how many there were.
    """
    parallel, lowest = found["readings"][PARALLEL], found["ceiling"]["lowest_possible_loss"]
    row = next(row for row in said if row["reading"] == PARALLEL)
    prefixes = [row for row in said if row["reading"] != PARALLEL]
    reached = [f"a {readings.label(row['reading'])}" for row in prefixes if row["exact"]]
    after = (
        f" It also writes it by itself after {listed(reached)}."
        if reached
        else f" After a prefix of learned vectors, {len(prefixes)} lengths tried, it never writes "
        "it by itself."
        if prefixes
        else ""
    )
    return ShortAnswer(
        part="inversion",
        title="Inverting the model",
        number=f"{row['exact']} of {row['restarts']}",
        unit="restarts exact",
        text=(
            f"One learned vector in place of each token: the frozen model says “{cut(sentence)}” "
            f"in {row['exact']} of {row['restarts']} restarts, at {parallel['loss']:.3f} nats per "
            f"token. No input can go below {lowest:.3f}; random vectors have "
            f"{parallel['drawn_loss']:.2f}.{after}"
        ),
        figures=["inversion_grid", "inversion_tokens"],
    )


def of_last_block(choice: Choice, worth: pd.DataFrame) -> ShortAnswer:
    """Return what the last block looked at, what removing that costs, and what was worth most."""
    share, even = _looked(choice)
    row = choice.words.iloc[int(choice.words["predicting_row"].argmax())]
    lost = float(row["knock_out"])
    cost = (
        f"costs the choice {nats(lost)}"
        if lost > 0
        else f"makes the choice more probable, by {nats(-lost)}"
        if lost < 0
        else "changes nothing"
    )
    rows = choice.number("query_rows")
    return ShortAnswer(
        part="last",
        title="Attention, last block",
        number=percent(share),
        unit=f"of its attention to {most_attended(choice)}",
        text=(
            f"Choosing “{choice.eleventh}” as the 11th word, it looked most at "
            f"{most_attended(choice)}; even attention gives {percent(even)}. Why this word? "
            f"Removing {most_attended(choice)} from that look {cost}; {worth_most(worth)}. All its "
            f"attention sums to {choice.number('attention_sum'):.4g}, 1 for each of "
            f"{rows:.0f} tokens."
        ),
        figures=["attention_last_causes", "attention_worth"],
    )


def of_first_block(
    first: Choice, last: Choice, agreed: dict[str, pd.DataFrame], n: int
) -> ShortAnswer:
    """Return how the first block differs, and how far either one's attention can be trusted.

    `agreed` has, of each block, how attention ranks words beside their effects in `n` contexts.
    """
    share, even = _looked(first)
    most = [
        nats(one.largest_knock_out) if one.largest_knock_out > 0 else "nothing"
        for one in (first, last)
    ]
    ranks = {name: _rank(table, "attention") for name, table in agreed.items()}
    return ShortAnswer(
        part="first",
        title="Attention, first block",
        number=percent(share),
        unit=f"of its attention to {most_attended(first)}",
        text=(
            f"For the same choice it looked most at {most_attended(first)} (even: "
            f"{percent(even)}), {first.number('mean_distance'):.1f} tokens back on average, the "
            f"last block {last.number('mean_distance'):.1f}. Removing one word costs at most "
            f"{most[0]} here, {most[1]} in the last. Over {n} contexts attention's rank "
            f"correlation with the size of words' effects is {ranks['first']:.2f} here, "
            f"{ranks['last']:.2f} in the last; by chance {_rank(agreed['first'], 'shuffled'):.2f}."
        ),
        figures=["attention_compared", "attention_first_causes"],
    )


def of_sentence(found: Metrics, text: str) -> ShortAnswer:
    """Return the sampled sentence's log-probability, and where chance would put it."""
    alike = found["samples"]
    even = -found["even_nats"] * found["tokens"]
    quoted = cut(visible(text.strip()))
    said = f"Sampled: “{quoted}”." if quoted else "Sampled: white space alone."
    return ShortAnswer(
        part="logprob",
        title="A sampled sentence",
        number=f"{found['nats']:.3f}",
        unit=f"nats, {count(found['tokens'], 'token')}",
        text=(
            f"{said} It has {found['nats_per_token']:.3f} nats per token, a perplexity of "
            f"{found['perplexity']:.1f}. Tokens drawn from all alike would have {even:.1f} in all. "
            f"Of {count(alike['sentences'], 'sentence')} sampled alike "
            f"{percent(alike['share_less_probable'])} are less probable, where one expects 50%."
        ),
        figures=["surprisal", "samples"],
    )


def worth_most(worth: pd.DataFrame) -> str:
    """Return which word was worth most to the choice, exactly, when words are replaced."""
    known = worth.dropna(subset="replaced_worth")
    if known.empty:
        return "nothing can stand in for any of its words, so none has an exact worth"
    most = known.iloc[int(known["replaced_worth"].argmax())]
    return (
        f"{placed(worth['text'].tolist(), int(most['word']))} is worth most to it: "
        f"{most['replaced_worth']:+.2f} nats, exactly, over all {2 ** len(worth):,} sets of words "
        f"replaced (all together {most['replaced_total']:+.2f})"
    )


def cut(text: str) -> str:
    """Return a text in short: as many whole words as there is room for, then an ellipsis."""
    if len(text) <= LONGEST:
        return text
    kept = text[:LONGEST]
    return (kept.rpartition(" ")[0] or kept).rstrip() + " …"


def _looked(choice: Choice) -> tuple[float, float]:
    """Return the largest share of the row that chose, and the share of even attention."""
    return float(choice.words["predicting_row"].max()), math.exp(-choice.number("largest_entropy"))


def _rank(agreement: pd.DataFrame, pattern: str) -> float:
    """Return how a pattern ranks words beside the size of what removing them costs, on average."""
    rows = agreement.set_index(["measure", "kind", "pattern"])["correlation"]
    return float(rows["knock_out_every_row", "size", pattern])
