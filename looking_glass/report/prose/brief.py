"""What the model is worth, and the answers of the page in a line each."""

from __future__ import annotations

from typing import Any

from looking_glass.report.prose.choice import most_attended
from looking_glass.report.prose.phrases import count, listed, nats
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
        f"it learned from, its loss is {metrics['train_loss']:.3f}."
    )


def in_brief(metrics: Metrics, readings: Readings, choice: Choice) -> list[str]:
    """Return the answers of the page, a line each."""
    model, sentence = metrics["evaluate"], metrics["logprob"]
    inverted = metrics["invert"]["readings"]
    reached = [readings.label(name) for name, found in inverted.items() if found["exact_rate"] > 0]
    answer = (
        f"Inputs that make it say exactly the sentence asked for were found: {listed(reached)}."
        if reached
        else "No input was found that makes it say exactly the sentence asked for."
    )
    told = choice.measure("knock_out_all_blocks")
    return [
        f"Loss on held-out text: {model['val_loss']:.3f} nats per token, "
        f"{model['val_bits_per_byte']:.3f} bits per byte.",
        answer,
        f"The 11th word that it chose is “{choice.eleventh}”. The last block attended most to "
        f"“{most_attended(choice)}”; what the choice owed most to the attention of all blocks was "
        f"“{told['top_word']}” ({nats(told['top_effect'])}).",
        f"The log-probability of a sampled sentence of {count(sentence['tokens'], 'token')}: "
        f"{sentence['nats']:.3f} nats.",
    ]
