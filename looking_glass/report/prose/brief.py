"""What the model is worth, and the answers of the page in a line each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose.choice import most_attended, placed
from looking_glass.report.prose.phrases import count, listed, read_of
from looking_glass.report.readings import Readings
from looking_glass.report.results import Choice

Metrics = dict[str, Any]


def explain_loss(metrics: Metrics) -> str:
    """Return a sentence that compares the model with its baselines."""
    loss, baselines = metrics["val_loss"], metrics["baseline_val_loss"]
    beaten = [name for name, value in baselines.items() if loss < value]
    rest = [name for name, value in baselines.items() if loss >= value]
    parts = []
    if beaten:
        parts.append(f"beats the {listed(beaten)}")
    if rest:
        parts.append(f"does not beat the {listed(rest)}")
    return (
        f"With {loss:.3f} nats per token on the held-out text "
        f"({metrics['val_bits_per_byte']:.3f} bits per byte) it {' and '.join(parts)}; on the text "
        f"for training its loss is {metrics['train_loss']:.3f}."
    )


def in_brief(
    metrics: Metrics, readings: Readings, choice: Choice, worth: pd.DataFrame
) -> list[str]:
    """Return the answers of the page, a line each."""
    model, sentence = metrics["evaluate"], metrics["logprob"]
    read = read_of(model.get("val_tokens_read"), metrics["encode"]["val_tokens"])
    inverted = metrics["invert"]["readings"]
    reached = [readings.label(name) for name, found in inverted.items() if found["exact_rate"] > 0]
    answer = (
        f"Inputs that make it say exactly the sentence asked for were found: {listed(reached)}."
        if reached
        else "No input was found that makes it say exactly the sentence asked for."
    )
    return [
        f"Loss on held-out text: {model['val_loss']:.3f} nats per token, "
        f"{model['val_bits_per_byte']:.3f} bits per byte{read}.",
        answer,
        f"The 11th word that it chose is “{choice.eleventh}”. The last block attended most to "
        f"{most_attended(choice)}; {worth_most(worth)}.",
        f"The log-probability of a sampled sentence of {count(sentence['tokens'], 'token')}: "
        f"{sentence['nats']:.3f} nats.",
    ]


def worth_most(worth: pd.DataFrame) -> str:
    """Return which word was worth most to the choice, exactly, when words are replaced."""
    known = worth.dropna(subset="replaced_worth")
    if known.empty:
        return "nothing can stand in for any of its words, so none has an exact worth"
    most = known.iloc[int(known["replaced_worth"].argmax())]
    return (
        f"of all words {placed(worth['text'].tolist(), int(most['word']))} was worth most to the "
        f"choice, exactly, over all sets of words replaced ({most['replaced_worth']:+.2f} nats, "
        f"where all together are worth {most['replaced_total']:+.2f})"
    )
