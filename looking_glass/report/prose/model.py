"""What the trained model makes of context and of its attention, in sentences made from numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose.phrases import count, listed, nats, percent

SHARP = 0.6  # of a row on one place: from there on a head is said to look at one distance


def explain_held_out(measured: pd.DataFrame, kept: str) -> str:
    """Return sentences on what the held-out text decided, and on the loss with either end held out.

    `measured` are the losses of these settings on this text, over seeds: `held_out`, `val_loss`.
    """
    weights = (
        "Nothing was decided by the held-out text: the weights are those after the last step."
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


def mean_of(losses: pd.Series) -> str:
    """Return the mean loss of some seeds in words, with its spread where there are several."""
    n = count(len(losses), "seed")
    spread = f", standard deviation {losses.std():.3f}" if len(losses) > 1 else ""
    return f"{losses.mean():.3f} nats per token ({n}{spread})"


def explain_contexts(contexts: pd.DataFrame) -> list[str]:
    """Return sentences on what longer contexts are worth, and whether any of them hurts."""
    first, last = contexts.iloc[0], contexts.iloc[-1]
    longer = contexts.iloc[1:]
    risen = longer[longer["change"] > longer["change_error"]]
    verdict = (
        "no doubling makes it worse by more than the standard error of the change"
        if risen.empty
        else "it gets worse by more than the standard error of the change at "
        + listed([count(int(length), "token") for length in risen["length"]])
    )
    return [
        f"After {count(int(first['length']), 'token')} of context the next one costs "
        f"{first['loss']:.3f} nats, after {int(last['length'])} {last['loss']:.3f}: {verdict}. "
        f"The trigram has {last['trigram']:.3f}. All are means over the same "
        f"{count(int(last['tokens']), 'token')}."
    ]


def explain_sliding(val_loss: float, calibration: dict[str, Any], stride: int) -> str:
    """Return a sentence on reading the held-out text with a sliding window instead of in blocks."""
    sliding = calibration["nats_per_token"]
    change = "lower" if sliding < val_loss else "higher" if sliding > val_loss else "the same"
    return (
        f"Read in blocks, in which the first token has one token of context, the held-out text "
        f"costs {val_loss:.3f} nats per token; through a window moved by {stride} tokens "
        f"{sliding:.3f}, which is {change}."
    )


def explain_parts(parts: pd.DataFrame, val_loss: float) -> str:
    """Return a sentence on what the blocks' attention and MLPs are worth."""
    rise = parts.set_index("block")["without_attention"] - val_loss
    mlp = parts.set_index("block")["without_mlp"] - val_loss
    single = rise.drop("all")
    most = str(single.idxmax())
    return (
        f"Without the first block's attention the loss on the held-out text rises by "
        f"{nats(float(rise.iloc[0]))} per token, without the attention of all blocks by "
        f"{nats(float(rise['all']))}; of single blocks it is worth most in block {most} "
        f"({nats(float(single.max()))}). Without all MLPs it rises by {nats(float(mlp['all']))}."
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
