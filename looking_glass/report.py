"""Metrics and tables → the sentences and the page of the report.

Every sentence here is chosen and filled by numbers; none states what was not computed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from looking_glass.figures import Colors, visible
from looking_glass.inversion_figures import reading_label
from looking_glass.params import Section
from looking_glass.phrases import joined, nats, percent, quoted

TEMPLATES = Path(__file__).parent / "templates"
BlockName = Literal["first", "last"]
Metrics = dict[str, Any]

# From this rank correlation on, attention and the effect of removing it are said to agree: with ten
# words, no more than one pair of unrelated rankings in twenty comes so close, in either direction.
AGREEMENT = 0.65


class ReportParams(Section):
    """Section `report`."""

    dpi: int = Field(ge=50, le=400)
    colors: Colors


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What one block attended to when the model chose the 11th word."""

    block: BlockName
    metrics: Metrics
    words: pd.DataFrame  # twelve rows: text, predicting_row, own_row, knock_out
    tokens: pd.DataFrame  # a row per token: text, word, predicting_row, own_row, knock_out
    alternatives: pd.DataFrame  # text, probability

    @property
    def eleventh(self) -> str:
        """The word that was chosen."""
        return str(self.words["text"].iloc[10])


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
        f"{percent(choice.metrics['chosen_probability'])}; the next best was "
        f"“{visible(second['text'])}” with {percent(second['probability'])}.",
        f"At that step the {choice.block} block attended most to “{top['text']}” "
        f"({percent(top['predicting_row'])} of the row, mean over heads), then to "
        f"{also_attended(by_attention)}.",
    ]
    sentences.append(explain_effect(top, strongest))
    sentences.append(agreement(choice.metrics["attention_effect_rank_correlation"], len(seen)))
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
    spread = {c.block: c.metrics["predicting_row_entropy"] for c in (first, last)}
    wider = "first" if spread["first"] > spread["last"] else "last"
    sentences = [
        f"The {wider} block spreads its attention wider: the entropy of the predicting row is "
        f"{spread['first']:.2f} nats in the first block and {spread['last']:.2f} in the last, "
        f"where even attention to all positions would have "
        f"{first.metrics['largest_entropy']:.2f}."
    ]
    back = {c.block: c.metrics["mean_distance"] for c in (first, last)}
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
    effect = {c.block: c.metrics["largest_word_knock_out"] for c in (first, last)}
    stronger = "first" if effect["first"] > effect["last"] else "last"
    sentences.append(
        f"Removing one word's attention costs the choice at most {nats(effect['first'])} in the "
        f"first block and {nats(effect['last'])} in the last: the {stronger} block's attention "
        "mattered more to this choice."
    )
    sentences.append(
        "The first block sees bare embeddings, of tokens and positions; the last one sees what all "
        "blocks before it have mixed into each position, so that its attention to a word is "
        "attention to whatever has been gathered there."
    )
    return sentences


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
