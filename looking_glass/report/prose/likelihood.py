"""What log-probabilities amount to, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.pipeline.statistics import CONFIDENCE
from looking_glass.report.prose.phrases import count, listed, nats, percent

Metrics = dict[str, Any]
CALLED = {
    "sampled": "the sampled one",
    "greedy": "the greedy one",
    "shuffled": "its words shuffled",
    "held_out": "one of the held-out text",
}


def called(name: str) -> str:
    """Return what a sentence is called where people read of it."""
    return CALLED.get(name, name)


def explain_sampling(params: Metrics) -> str:
    """Return a phrase on what was drawn from."""
    parts = [f"at temperature {params['temperature']:g}"]
    if params["top_k"] is not None:
        parts.append(f"from the {count(params['top_k'], 'most probable token')}")
    if params["top_p"] is not None:
        parts.append(f"from the fewest tokens that hold {percent(params['top_p'])} of it")
    return listed(parts) if len(parts) > 1 else f"{parts[0]}, from all tokens"


def explain_drawing(metrics: Metrics, params: Metrics) -> str | None:
    """Return a sentence on the distribution drawn from, where it is not the model's own."""
    own = params["temperature"] == 1 and params["top_k"] is None and params["top_p"] in (None, 1)
    if own:
        return None
    return (
        f"It was drawn from a sharpened distribution, under which its log-probability is "
        f"{metrics['sampling_nats']:.3f} nats; every other number here is the model's own."
    )


def explain_place(metrics: Metrics) -> str:
    """Return a sentence on where the sampled sentence stands among others like it."""
    found = metrics["samples"]
    return (
        f"Of {count(found['sentences'], 'sentence')} sampled alike, of {found['mean_tokens']:.1f} "
        f"tokens and {found['mean_nats']:.1f} nats on average, "
        f"{percent(found['share_less_probable'])} are less probable than this one; counted per "
        f"token, {percent(found['share_less_probable_per_token'])} are."
    )


def explain_entropy(metrics: Metrics) -> str:
    """Return a sentence on the check of the sampler by the model's entropy."""
    found = metrics["samples"]
    fits = abs(found["z"]) <= CONFIDENCE
    verdict = (
        "no more than chance explains: what was sampled is what was scored"
        if fits
        else "more than chance explains in nineteen runs of twenty"
    )
    return (
        f"A check: -log p of what is drawn must be the entropy of what it is drawn from, on "
        f"average. Over these sentences the two are {found['nats_per_token']:.3f} and "
        f"{found['entropy_per_token']:.3f} nats per token; summed over a sentence they differ by "
        f"{found['difference']:.2f} on average, with a standard error of "
        f"{found['standard_error']:.2f}: {verdict}."
    )


def explain_calibration(metrics: Metrics) -> str:
    """Return a sentence on whether the model is right as often as it says."""
    found = metrics["calibration"]
    gap = found["confidence"] - found["accuracy"]
    verdict = "too sure of itself" if gap > 0 else "not sure enough of itself"
    return (
        f"Over the {count(found['tokens'], 'token')} of the held-out text its first choice was "
        f"right {percent(found['accuracy'])} of the time, and it gave that choice a probability of "
        f"{percent(found['confidence'])} on average: it is {verdict}. The expected calibration "
        f"error, how far the two are apart within bins of like probability, is "
        f"{found['expected_calibration_error']:.3f}."
    )


def explain_ranking(ranked: pd.DataFrame) -> list[str]:
    """Return sentences on the compared sentences: first and last, and what shuffling cost."""
    first, last = ranked.iloc[0], ranked.iloc[-1]
    sentences = []
    if len(ranked) > 1:
        sentences.append(
            f"Of the {len(ranked)} sentences, the most probable is {called(first['sentence'])} "
            f"({first['nats']:.1f} nats) and the least {called(last['sentence'])} "
            f"({last['nats']:.1f}). A longer sentence has more factors below 1; per token the most "
            f"probable is {called(_best_per_token(ranked))}."
        )
    by_name = dict(zip(ranked["sentence"], ranked["nats"].astype(float), strict=True))
    if {"sampled", "shuffled"} <= set(by_name):
        lost = by_name["sampled"] - by_name["shuffled"]
        change = "less" if lost >= 0 else "more"
        sentences.append(
            f"In another order the sampled sentence's words are {change} probable by "
            f"{nats(abs(lost))}: that much the model knows of their order."
        )
    return sentences


def _best_per_token(ranked: pd.DataFrame) -> str:
    return str(ranked.sort_values("nats_per_token", kind="stable")["sentence"].iloc[-1])


def explain_words(words: pd.DataFrame) -> str:
    """Return a sentence on the correction for tokens that begin words."""
    furthest = words.sort_values("difference", key=abs, kind="stable").iloc[-1]
    plain, corrected = words["surprisal"].sum(), words["corrected"].sum()
    return (
        "A token tells where a word begins, not where it ends: “her” may yet become “herself”. Put "
        f"right for that, the sentence's words cost {corrected:.3f} nats in all instead of "
        f"{plain:.3f}; the largest change is that of “{furthest['text']}”, from "
        f"{furthest['surprisal']:.3f} to {furthest['corrected']:.3f}."
    )


def explain_underflow(product: pd.DataFrame) -> str:
    """Return a sentence on what multiplying the probabilities gives."""
    n, last = len(product), product.iloc[-1]
    zero = product.loc[product["float32_product"] == 0, "tokens"]
    if zero.empty:
        return (
            f"The product of the probabilities of {count(n, 'token')} is still "
            f"{last['float32_product']:.3g} in float32; a longer text would take it to 0."
        )
    return (
        f"Drawn on for {count(n, 'token')} in all and multiplied in float32, the probabilities "
        f"come to exactly 0 from token {zero.iloc[0]} on, while the sum of their logarithms is "
        f"{last['cumulative']:.2f} nats: nothing is lost in it."
    )
