"""Metrics and tables → the sentences and the page of the report.

Every sentence here is chosen and filled by numbers; none states what was not computed.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from looking_glass.report.prose.choice import Choice, most_attended
from looking_glass.report.figures.style import Colors, visible
from looking_glass.report.figures.inversion import reading_label
from looking_glass.pipeline.params import Section
from looking_glass.report.prose.phrases import count, joined, nats, percent

TEMPLATES = Path(__file__).parent / "templates"
Metrics = dict[str, Any]


class ReportParams(Section):
    """Section `report`."""

    dpi: int = Field(ge=50, le=400)
    colors: Colors


def explain_loss(metrics: Metrics) -> str:
    """Return a sentence that compares the model with its baselines."""
    loss, baselines = metrics["val_loss"], metrics["baseline_val_loss"]
    beaten = [name for name, value in baselines.items() if loss < value]
    rest = [name for name, value in baselines.items() if loss >= value]
    parts = []
    if beaten:
        parts.append(f"beats the {joined(beaten)}")
    if rest:
        parts.append(f"does not beat the {joined(rest)}")
    return (
        f"With {loss:.3f} nats per token on the held-out text "
        f"({metrics['val_bits_per_byte']:.3f} bits per byte) it {' and '.join(parts)}; on the text "
        f"it learned from, its loss is {metrics['train_loss']:.3f}."
    )


def in_brief(metrics: Metrics, choice: Choice) -> list[str]:
    """Return the answers of the page, a line each."""
    train, sentence = metrics["train"], metrics["logprob"]
    readings = metrics["invert"]["readings"]
    reached = [reading_label(name) for name, found in readings.items() if found["exact_rate"] > 0]
    inverted = (
        f"Inputs that make it say exactly the sentence asked for were found: {joined(reached)}."
        if reached
        else "No input was found that makes it say exactly the sentence asked for."
    )
    told = choice.measure("knock_out_all_blocks")
    return [
        f"Loss on held-out text: {train['val_loss']:.3f} nats per token, "
        f"{train['val_bits_per_byte']:.3f} bits per byte.",
        inverted,
        f"The 11th word that it chose is “{choice.eleventh}”. The last block attended most to "
        f"“{most_attended(choice)}”; what the choice owed most to the attention of all blocks was "
        f"“{told['top_word']}” ({nats(told['top_effect'])}).",
        f"The log-probability of a sampled sentence of {count(sentence['tokens'], 'token')}: "
        f"{sentence['nats']:.3f} nats.",
    ]


def data_uri(png: bytes) -> str:
    """Return a PNG as a `data:` address, so that the page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def render(context: dict[str, Any]) -> str:
    """Return the page. Every value is escaped; a name the template misses raises."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, show=visible, reading=reading_label)
    return environment.get_template("report.html.jinja").render(context) + "\n"
