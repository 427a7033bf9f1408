"""What the trained model makes of context and of its attention, in sentences made from numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.pipeline.statistics import CONFIDENCE
from looking_glass.report.prose.phrases import count, listed, moved, percent

SHARP = 0.6  # of a row on one place: from there on a head is said to look at one distance


def explain_held_out(measured: pd.DataFrame, kept: str) -> str:
    """Return sentences on what the held-out text decided, and on the loss with either end held out.

    `measured` are the losses of these settings on this text, over seeds: `held_out`, `val_loss`.
    """
    weights = (
        "The weights are those after the last step: this run decided nothing by the held-out text."
        if kept == "last"
        else "The held-out text also chose the step whose weights were kept."
    )
    losses = {str(end): rows["val_loss"] for end, rows in measured.groupby("held_out")}
    if set(losses) != {"first", "last"}:
        return f"{weights} These settings were not measured with either end held out."
    return (
        f"{weights} With the first part of the text held out, the one to choose settings by, these "
        f"reach {mean_of(losses['first'])}; with the last part, {mean_of(losses['last'])}."
    )


def explain_sample(found: dict[str, Any], book: dict[str, Any]) -> str | None:
    """Return sentences on which texts were read in part, and for what; None where all were whole.

    `found` are the metrics of the model, `book` those of the text.
    """
    said = []
    if "val_tokens_read" in found:
        said.append(
            f"The held-out text is long: what is said of all of it is measured on "
            f"{found['val_tokens_read']:,} of its {count(book['val_tokens'], 'token')}, in runs "
            "spread evenly over it."
        )
    if "train_tokens_read" in found:
        said.append(
            f"The loss on the text it learned from is on {found['train_tokens_read']:,} of "
            f"{count(book['train_tokens'], 'token')}, spread likewise."
        )
    if "baseline_tokens_counted" in found:
        said.append(
            f"The n-grams were counted on {found['baseline_tokens_counted']:,} of the "
            f"{count(book['train_tokens'], 'token')} for training: on all they would do better."
        )
    return " ".join(said) or None


def mean_of(losses: pd.Series) -> str:
    """Return the mean loss of some seeds in words, with its spread where there are several."""
    n = count(len(losses), "seed")
    spread = f", standard deviation {losses.std():.3f}" if len(losses) > 1 else ""
    return f"{losses.mean():.3f} nats per token ({n}{spread})"


def explain_contexts(contexts: pd.DataFrame) -> list[str]:
    """Return sentences on what longer contexts are worth, and whether any of them hurts."""
    first, last = contexts.iloc[0], contexts.iloc[-1]
    longer = contexts.iloc[1:]
    risen = longer[longer["change"] > CONFIDENCE * longer["change_error"]]
    verdict = (
        "no step to a longer context makes it worse by more than chance explains, which is "
        f"{CONFIDENCE:g} standard errors of the change"
        if risen.empty
        else f"it gets worse by more than chance explains, {CONFIDENCE:g} standard errors of the "
        "change, at " + listed([count(int(length), "token") for length in risen["length"]])
    )
    return [
        f"After {count(int(first['length']), 'token')} of context the next one costs "
        f"{first['loss']:.3f} nats, after {int(last['length'])} {last['loss']:.3f}: {verdict}. "
        f"The trigram has {last['trigram']:.3f}. All are means over the same "
        f"{count(int(last['tokens']), 'token')}."
    ]


def explain_sliding(val_loss: float, calibration: dict[str, Any], stride: int) -> str:
    """Return a sentence on reading the held-out text with a sliding window instead of in blocks."""
    return (
        f"Read in blocks, in which the first token has one token of context, the held-out text "
        f"costs {val_loss:.3f} nats per token; through a window moved by {stride} tokens "
        f"{calibration['nats_per_token']:.3f}. With the window a token's cost "
        f"{moved(calibration['window_change'], calibration['window_change_error'])}."
    )


def explain_parts(parts: pd.DataFrame, val_loss: float) -> str:
    """Return a sentence on what the blocks' attention and MLPs are worth."""
    rows = {str(row["block"]): row for row in parts.to_dict("records")}
    first = next(iter(rows))
    most = max(
        (block for block in rows if block != "all"),
        key=lambda b: float(rows[b]["without_attention"]),
    )

    def change(block: str, part: str) -> str:
        row = rows[block]
        return moved(float(row[f"without_{part}"]) - val_loss, float(row[f"{part}_error"]))

    return (
        "Without the first block's attention the loss on the held-out text "
        f"{change(first, 'attention')} per token; without the attention of all blocks it "
        f"{change('all', 'attention')}. Of single blocks, it is highest without the attention of "
        f"block {most}: it {change(most, 'attention')}. Without all MLPs it "
        f"{change('all', 'mlp')}."
    )


def explain_heads(heads: pd.DataFrame) -> str:
    """Return a sentence on how far back the heads of the first block look."""
    first = heads[heads["block"] == 1]
    sharp = first[first["share"] > SHARP]
    told = [
        f"head {int(row['head'])} looks {back(int(row['distance']))} "
        f"({percent(float(row['share']))} of its attention)"
        for _, row in sharp.iterrows()
    ]
    return (
        f"In the first block {len(sharp)} of {len(first)} heads put more than {percent(SHARP)} of "
        f"a row on one distance, where even attention would put "
        f"{percent(float(first['even'].iloc[0]))}" + (f": {listed(told)}." if told else ".")
    )


def back(distance: int) -> str:
    """Return a distance in words: at the token itself, so many tokens back."""
    return "at the token itself" if distance == 0 else f"{count(distance, 'token')} back"
