"""The inversion's metrics and tables → sentences: what could be said, what was, and why not more.

Every sentence here is chosen and filled by numbers.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose.phrases import count, listed, nats, percent, visible
from looking_glass.report.readings import PARALLEL, Readings

Metrics = dict[str, Any]
ROUNDING = 1e-3  # nats: of a loss in float32, at a state whose length is of the order of √ε
FED = {
    "nearest": "Fed the nearest tokens",
    "searched": "Fed the best tokens that a search by greedy coordinate gradient found",
    "drawn": "Fed tokens drawn at random",
}
NOISE = (1e-4, 1e4)  # the range in which the noise that vectors bear is looked for


def explain_ceiling(metrics: Metrics, n_tokens: int) -> list[str]:
    """Return sentences on what no input can do better, how it is known, and what came near it."""
    return [
        "No input can bring the loss of this sentence below "
        f"{metrics['lowest_possible_loss']:.3f} nats per token. That is the mean of a proved upper "
        "bound on each token's log-probability; a proved lower bound, which some state of the ball "
        f"attains, is at most {nats(metrics['largest_gap_between_bounds'])} from it. "
        f"{_first_choices(metrics, n_tokens)}",
        _aimed(metrics, n_tokens),
    ]


def _first_choices(metrics: Metrics, n_tokens: int) -> str:
    can, cannot = metrics["tokens_that_can_be_argmax"], metrics["tokens_that_cannot_be_argmax"]
    left = n_tokens - can - cannot
    parts = [
        f"{can} of its {n_tokens} tokens have a state in the ball at which they are the most "
        "probable of all"
    ]
    if cannot:
        parts.append(f"{cannot} are proved to have none")
    if left:
        parts.append(f"of {left} neither was shown")
    return listed(parts) + "."


def _aimed(metrics: Metrics, n_tokens: int) -> str:
    """Return what vectors aimed at the best states reach, and whether that is the bound."""
    lowest, reached = metrics["lowest_possible_loss"], metrics["aimed_loss"]
    above, right = reached - lowest, metrics["aimed_right"]
    inside, solved = metrics["best_states_inside"], metrics["inside_solved"]
    where = (
        "The best states that were found all lie at the ball's edge, where a vector's direction "
        "alone counts."
        if inside == 0
        else f"Of the best states that were found {inside} lie inside the ball, where a vector's "
        "length counts too; "
        + (
            "in a model this large none was solved for."
            if pd.isna(solved)
            else f"a vector was found for {int(solved)} of them."
        )
    )
    states = metrics["best_states_loss"]
    verdict = (
        f"as the states themselves have: within {nats(max(above, 0.0))} of the bound"
        if reached <= states + ROUNDING
        else f"where the states themselves have {states:.3f}: these vectors do not reach the "
        f"bound, and are {nats(above)} above it"
    )
    said = (
        "say the sentence exactly"
        if right == n_tokens
        else f"get {right} of {n_tokens} tokens right"
    )
    return (
        f"{where} Vectors aimed at these states, with no look at the loss, have {reached:.3f} nats "
        f"per token in the parallel reading, {verdict}. They {said}."
    )


def explain_readings(reached: Metrics, readings: Readings, lowest: float) -> list[str]:
    """Return a sentence for each reading: how often it says the sentence, and how surely."""
    return [
        _explain_reading(readings.label(name), found, lowest) for name, found in reached.items()
    ]


def _explain_reading(label: str, reading: Metrics, lowest: float) -> str:
    label = label[0].upper() + label[1:]
    rate = reading["exact_rate"]
    done = (
        "every restart says exactly the sentence"
        if rate == 1
        else "no restart says the sentence"
        if rate == 0
        else f"{percent(rate)} of the restarts say exactly the sentence"
    )
    sentence = (
        f"{label}: {done}; {percent(reading['token_accuracy'])} of the tokens are right, at "
        f"{reading['loss']:.2f} nats per token, {nats(max(reading['loss'] - lowest, 0.0))} above "
        f"the proved bound. The vectors drawn to start from had {reading['drawn_loss']:.2f}."
    )
    if rate == 1:
        sentence += (
            f" The earliest match was seen at step {reading['first_exact_step']}; at the end every "
            f"target token leads its best rival by at least {reading['smallest_gap']:.2f} in "
            "logits."
        )
    if rate > 0:
        sentence += (
            f" Of the exact restarts {percent(reading['exact_in_float64'])} stay exact when "
            f"computed in float64, {percent(reading['exact_in_bfloat16'])} when the vectors are "
            f"rounded to bfloat16; {_noise(reading['noise_radius'])}."
        )
    return sentence


def _noise(radius: float) -> str:
    """Return how much noise the best exact restart bears: the range that was tried has two ends."""
    least, most = NOISE
    if radius < 1.01 * least:
        return (
            f"under Gaussian noise of {least:g} times its own root mean square the best one says "
            "the sentence in fewer than half of the trials"
        )
    if radius > 0.99 * most:
        return (
            f"under Gaussian noise of {most:,.0f} times its own root mean square, the most that "
            "was tried, the best one still says the sentence in half of the trials"
        )
    return (
        "the best one says the sentence in half of the trials under Gaussian noise of "
        f"{radius:.2g} times its own root mean square"
    )


def explain_tokens(tokens: pd.DataFrame, readings: Readings) -> list[str]:
    """Return sentences on the tokens that were reached least, freely and after a prefix."""
    ordered = tokens.sort_values("parallel", kind="stable")
    hardest, easiest = ordered.iloc[0], ordered.iloc[-1]
    beside = (
        f", where “{visible(easiest['text'])}” has {percent(easiest['parallel'])} of "
        f"{percent(easiest['ceiling'])}"
        if len(tokens) > 1
        else ""
    )
    sentences = [
        "In the best restart of the parallel reading the least probable token is "
        f"“{visible(hardest['text'])}”: it has {percent(hardest['parallel'])} of at most "
        f"{percent(hardest['ceiling'])}{beside}. {_occurs(hardest)}; the row of the output layer "
        f"most alike to its own is that of “{visible(hardest['nearest_row'])}”, with a cosine of "
        f"{hardest['nearest_row_cosine']:.2f}. {_usual(hardest)}"
    ]
    prefixes = [name for name in readings.prefixes if name in tokens]
    if not prefixes or len(tokens) == 1:
        return sentences
    longest = prefixes[-1]
    missed = tokens.iloc[1:].sort_values(longest, kind="stable").iloc[0]
    sentences.append(
        "In the prefix reading only the first token is predicted where a learned vector stands. "
        "Each later one is predicted at a token of the sentence itself, whose embedding the "
        "vectors cannot change: they reach it through attention alone. Least probable of the later "
        f"ones after a {readings.label(longest)} is “{visible(missed['text'])}”: "
        f"{percent(missed[longest])}; no input can give it more than {percent(missed['ceiling'])}. "
        f"After the sentence's own words alone it has {percent(missed['unaided'])}, rank "
        f"{int(missed['unaided_rank']):,}. {_occurs(missed)}."
    )
    return sentences


def _usual(row: pd.Series) -> str:
    usual, own = row["usual_row_cosine"], row["nearest_row_cosine"]
    place = "above it" if own > usual else "below it" if own < usual else "equal to it"
    return (
        "Over tokens spread evenly in the vocabulary the median of that cosine is "
        f"{usual:.2f}; this one's is {place}."
    )


def _occurs(row: pd.Series) -> str:
    times = int(row["count"])
    return (
        "It does not occur in the training text"
        if times == 0
        else f"It occurs {count(times, 'time')} in the training text"
    )


def explain_controls(frontier: pd.DataFrame, readings: Readings) -> list[str]:
    """Return a sentence for each other sentence: in which readings some restart says it."""
    sentences: list[str] = []
    for name, rows in frontier[frontier["sentence"] != "sentence"].groupby("sentence", sort=False):
        exact = [
            f"{readings.label(row['reading'])} ({percent(row['exact_rate'])} of the restarts)"
            for _, row in rows.iterrows()
            if row["exact_rate"] > 0
        ]
        what = "The random tokens" if name == "random" else "The control sentence"
        text, lowest = visible(rows["text"].iloc[0]), rows["lowest_possible_loss"].iloc[0]
        sentences.append(
            f"{what} “{text}” cannot have fewer than {lowest:.3f} nats per token, and "
            + (f"is said in these readings: {listed(exact)}." if exact else "is said in none.")
        )
    return sentences


def _ids(row: pd.Series[Any]) -> str:
    """Return the ids of tokens whose text would be read as others."""
    if row["read_as_such"]:
        return ""
    return f" (the tokens {row['ids']}; the encoder reads their text as others)"


def explain_words(
    words: pd.DataFrame, replies: pd.DataFrame, tokens: pd.DataFrame, readings: Readings
) -> list[str]:
    """Return sentences on the learned vectors as tokens: the nearest ones, and searched ones."""
    parallel = words[words["reading"] == PARALLEL].reset_index(drop=True)
    texts = tokens["text"].reset_index(drop=True)
    own, drawn = (int((parallel[name] == texts).sum()) for name in ("nearest_1", "drawn_nearest"))
    sentences = [
        f"Of the {count(len(parallel), 'vector')} of the parallel reading {own} have as their "
        "nearest embedding the very token that stands at their place; of those drawn to "
        f"start from, {drawn}. The median distance to the nearest embedding is "
        f"{parallel['distance'].median():.1f} times that from one of the book's most frequent "
        f"tokens to its neighbour; at the start it was {parallel['drawn_distance'].median():.1f}."
    ]
    for _, row in replies.iterrows():
        sentences.append(
            f"{FED[row['source']]} in place of the vectors ({readings.label(row['reading'])}), "
            f"“{visible(row['fed'])}”{_ids(row)}, the model says “{visible(row['said'])}”: "
            f"{row['correct']} of {len(tokens)} tokens are right, at {row['loss']:.2f} nats each."
        )
    return sentences
