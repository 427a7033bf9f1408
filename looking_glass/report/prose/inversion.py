"""The inversion's metrics and tables → sentences: what could be said, what was, and why not more.

Every sentence here is chosen and filled by numbers.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose.phrases import count, listed, nats, percent, visible
from looking_glass.report.readings import PARALLEL, Readings

Metrics = dict[str, Any]


def explain_ceiling(metrics: Metrics, n_tokens: int) -> list[str]:
    """Return sentences on what no input can do better, and how it is known."""
    can = metrics["tokens_that_can_be_argmax"]
    which = f"Each of its {n_tokens}" if can == n_tokens else f"{can} of its {n_tokens}"
    said = "say the sentence exactly" if metrics["loudest_vectors_exact"] else "do not say it"
    return [
        "No input whatever can bring the loss of this sentence below "
        f"{metrics['lowest_possible_loss']:.3f} nats per token: for each token the two proved "
        "bounds lie within "
        f"{nats(metrics['largest_gap_between_bounds'])} of each other. {which} tokens can be the "
        "model's first choice for some input.",
        "The bound can be reached: vectors written down from the proof, with no learning at all, "
        f"have a loss of {metrics['loudest_vectors_loss']:.3f} and {said} in the parallel reading.",
    ]


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
        f"{reading['loss']:.2f} nats per token, {nats(reading['loss'] - lowest)} above the lowest "
        "possible."
    )
    if rate == 1:
        sentence += (
            f" The first match was found at step {reading['first_exact_step']}; at the end every "
            f"target token leads its best rival by at least {reading['smallest_gap']:.2f} in "
            "logits."
        )
    if rate > 0:
        sentence += (
            f" Of the exact restarts {percent(reading['exact_in_float64'])} stay exact when "
            f"computed in float64, {percent(reading['exact_in_bfloat16'])} when the vectors are "
            "rounded to bfloat16; the best one still says the sentence in half of the trials under "
            f"Gaussian noise of {reading['noise_radius']:.2f} times its own root mean square."
        )
    return sentence


def explain_tokens(tokens: pd.DataFrame, readings: Readings) -> list[str]:
    """Return sentences on the tokens that are hardest to reach, freely and after a prefix."""
    hardest = tokens.sort_values("parallel", kind="stable").iloc[0]
    easiest = tokens.sort_values("parallel", kind="stable").iloc[-1]
    hard, easy = visible(hardest["text"]), visible(easiest["text"])
    sentences = [
        f"With every input free, the hardest token is “{hard}”: it reaches "
        f"{percent(hardest['parallel'])} of at most {percent(hardest['ceiling'])}, where “{easy}” "
        f"reaches {percent(easiest['parallel'])} of {percent(easiest['ceiling'])}. "
        f"{_occurs(hardest)}; the row of the output layer most alike to its own is that of "
        f"“{visible(hardest['nearest_row'])}” (cosine {hardest['nearest_row_cosine']:.2f}), and "
        "what raises the one raises the other."
    ]
    prefixes = [name for name in readings.prefixes if name in tokens]
    if not prefixes or len(tokens) == 1:
        return sentences
    longest = prefixes[-1]
    missed = tokens.iloc[1:].sort_values(longest, kind="stable").iloc[0]
    sentences.append(
        "In the prefix reading only the first token is predicted where a learned vector stands. "
        "Each later one is predicted at a token of the sentence itself, whose embedding the "
        "vectors cannot change: they reach it through attention alone. Furthest from being said "
        f"after a {readings.label(longest)} is “{visible(missed['text'])}”: "
        f"{percent(missed[longest])}, of the {percent(missed['ceiling'])} that a free input could "
        f"give it. After the sentence's own words it has {percent(missed['unaided'])}, rank "
        f"{int(missed['unaided_rank']):,}. {_occurs(missed)}."
    )
    return sentences


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
            f"{what} “{text}” can have at best {lowest:.3f} nats per token, and "
            + (f"is said in these readings: {listed(exact)}." if exact else "is said in none.")
        )
    return sentences


def explain_words(
    words: pd.DataFrame, replies: pd.DataFrame, tokens: pd.DataFrame, readings: Readings
) -> list[str]:
    """Return sentences on the learned vectors as tokens: the nearest ones, and searched ones."""
    parallel = words[words["reading"] == PARALLEL].reset_index(drop=True)
    own = int((parallel["nearest_1"] == tokens["text"].reset_index(drop=True)).sum())
    sentences = [
        f"Of the {len(parallel)} vectors of the parallel reading {own} have the very token that "
        "they make the model say as their nearest embedding. They lie far from all of them: "
        f"{parallel['distance'].median():.1f} times as far from the nearest embedding as an "
        "embedding usually lies from the next."
    ]
    for _, row in replies.iterrows():
        source = (
            "Fed the nearest tokens"
            if row["source"] == "nearest"
            else "Fed the best tokens that a search by greedy coordinate gradient found"
        )
        sentences.append(
            f"{source} in place of the vectors ({readings.label(row['reading'])}), "
            f"“{visible(row['tokens'])}”, the model says “{visible(row['said'])}”: "
            f"{row['correct']} of {len(tokens)} tokens are right, at {row['loss']:.2f} nats each."
        )
    return sentences
