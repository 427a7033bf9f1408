"""Metrics and tables → the sentences and the page of the report.

Every sentence here is chosen and filled by numbers; none states what was not computed.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from looking_glass.figures import Colors, visible
from looking_glass.inversion_figures import reading_label
from looking_glass.params import Section
from looking_glass.phrases import joined, percent

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


def explain_underflow(metrics: Metrics) -> str:
    """Return a sentence on what multiplying the probabilities gives."""
    whole = metrics["whole_sample"]
    n = whole["underflows_after_tokens"]
    if n is None:
        return (
            f"The product of the {whole['tokens']} sampled tokens' probabilities is still "
            f"{whole['float32_product']:.3g} in float32; a longer text would take it to 0."
        )
    return (
        f"Multiplied in float32, the probabilities of the sampled text are exactly 0 from token "
        f"{n} on, while the sum of their logarithms over all {whole['tokens']} tokens is "
        f"{whole['nats']:.2f} nats: nothing is lost in it."
    )


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
