"""What log-probabilities amount to, in sentences that are chosen and filled by numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.pipeline.statistics import CONFIDENCE
from looking_glass.report.prose.phrases import beyond_chance, count, listed, nats, percent, visible

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
    heat, done = params["temperature"], []
    if heat != 1:
        done.append("sharpened" if heat < 1 else "flattened")
    if params["top_k"] is not None or params["top_p"] not in (None, 1):
        done.append("limited to its most probable tokens")
    return (
        f"It was drawn from the model's distribution {' and '.join(done)}, under which its "
        f"log-probability is {metrics['sampling_nats']:.3f} nats; where nothing else is said, the "
        "numbers here are the model's own."
    )


def explain_place(metrics: Metrics) -> str:
    """Return a sentence on where the sampled sentence stands among others like it."""
    found = metrics["samples"]
    return (
        f"Of {count(found['sentences'], 'sentence')} sampled alike, of {found['mean_tokens']:.1f} "
        f"tokens and {found['mean_nats']:.1f} nats on average, "
        f"{percent(found['share_less_probable'])} are less probable than this one; counted per "
        f"token, {percent(found['share_less_probable_per_token'])} are. Of a sentence so drawn one "
        "expects 50%, and any share is as likely as another."
    )


def explain_entropy(metrics: Metrics) -> str:
    """Return a sentence on the check of the sampler by the model's entropy."""
    found = metrics["samples"]
    verdict = (
        "no more than chance explains"
        if abs(found["difference"]) <= CONFIDENCE * found["standard_error"]
        else "more than chance explains in nineteen runs of twenty"
    )
    return (
        f"A check: -log p of what is drawn must be the entropy of what it is drawn from, on "
        f"average. Over these sentences the two are {found['nats_per_token']:.3f} and "
        f"{found['entropy_per_token']:.3f} nats per token, both under what was drawn from; summed "
        f"over a sentence they differ by {found['difference']:.2f} on average, with a standard "
        f"error of {found['standard_error']:.2f}: {verdict}."
    )


def explain_calibration(metrics: Metrics) -> str:
    """Return a sentence on whether the model is right as often as it says."""
    found = metrics["calibration"]
    gap, error = found["confidence"] - found["accuracy"], found["gap_error"]
    beyond = beyond_chance(gap, error)
    verdict = (
        "the text is too short for a standard error of the difference"
        if beyond is None
        else f"the difference, {100 * abs(gap):.2g} points with a standard error of "
        f"{100 * error:.2g}, is no more than chance explains"
        if not beyond
        else f"it is too sure of itself, by {100 * gap:.2g} points with a standard error of "
        f"{100 * error:.2g}"
        if gap > 0
        else f"it is not sure enough of itself, by {-100 * gap:.2g} points with a standard error "
        f"of {100 * error:.2g}"
    )
    read = f"the {count(found['tokens'], 'token')}"
    if "of_tokens" in found:
        read = f"{found['tokens']:,} of the {count(found['of_tokens'], 'token')}"
    off, chance = found["expected_calibration_error"], found["calibration_error_by_chance"]
    most = found["calibration_error_by_chance_95"]
    place = "more" if off > most else "no more"
    return (
        f"Over {read} of the held-out text its first choice was "
        f"right {percent(found['accuracy'])} of the time, and it gave that choice a probability of "
        f"{percent(found['confidence'])} on average: {verdict}. The expected calibration "
        f"error, how far the two are apart within bins of like probability, is {off:.3f}. A model "
        f"that is right exactly as often as it says would have {chance:.3f} by chance, and at most "
        f"{most:.3f} in nineteen cases of twenty: this one's is {place} than that."
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
    if any(~ranked["text"].astype(bool) & (ranked["sentence"] == "sampled")):
        sentences.append("The sampled one is white space alone: it has no words to shuffle.")
    by_name = dict(zip(ranked["sentence"], ranked["nats"].astype(float), strict=True))
    if {"sampled", "shuffled"} <= set(by_name):
        lost = by_name["sampled"] - by_name["shuffled"]
        change = f"{'less' if lost > 0 else 'more'} probable by {nats(abs(lost))}"
        sentences.append(
            "In one other order, drawn at random, the sampled sentence's words are "
            f"{change if lost else 'as probable'}."
        )
    return sentences


def _best_per_token(ranked: pd.DataFrame) -> str:
    return str(ranked.sort_values("nats_per_token", kind="stable")["sentence"].iloc[-1])


def explain_words(words: pd.DataFrame, *, corrected: bool) -> str:
    """Return a sentence on the correction for tokens that begin words.

    `corrected` is whether there is one: whether a space tells where each word begins.
    """
    if not corrected:
        return (
            "What a word costs is the sum over its tokens, as it is: no space tells where each of "
            "these words begins, and the correction for that is not defined."
        )
    furthest = words.sort_values("difference", key=abs, kind="stable").iloc[-1]
    plain, put_right = words["surprisal"].sum(), words["corrected"].sum()
    change = (
        f"the largest change is that of “{visible(furthest['text'])}”, from "
        f"{furthest['surprisal']:.3f} to {furthest['corrected']:.3f}"
        if furthest["difference"] != 0
        else "no word's changes"
    )
    return (
        "A token tells where a word begins, not where it ends: “her” may yet become “herself”. Put "
        f"right for that, the sentence's words cost {put_right:.3f} nats in all, where their "
        f"tokens cost {plain:.3f}; {change}."
    )


def explain_underflow(product: pd.DataFrame) -> str:
    """Return a sentence on what multiplying the probabilities gives."""
    n, last = len(product), product.iloc[-1]
    zero = product.loc[product["float32_product"] == 0, "tokens"]
    if zero.empty:
        return (
            f"The product of the probabilities of {count(n, 'token')} is still "
            f"{last['float32_product']:.3g} in float32."
        )
    return (
        f"Drawn on for {count(n, 'token')} in all and multiplied in float32, the probabilities "
        f"come to exactly 0 from token {zero.iloc[0]} on, while the sum of their logarithms is "
        f"{last['cumulative']:.2f} nats."
    )
