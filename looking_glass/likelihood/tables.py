"""Scores of sentences → the tables and metrics that the report and a researcher read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch

from looking_glass.gpt.decoding import Drawn
from looking_glass.likelihood.scores import (
    Scores,
    WordSurprisals,
    naive_product,
    total,
    word_surprisals,
)
from looking_glass.likelihood.sentences import Sentence
from looking_glass.pipeline.statistics import standard_error
from looking_glass.text.corpus import Corpus, Tokens
from looking_glass.text.overlap import run_lengths
from looking_glass.text.reader import Reader
from looking_glass.text.sample import sample_runs
from looking_glass.text.words import has_unspaced

COPIED = 5  # tokens: of a run of the training text, from where on the report marks it at first


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A sentence and what the model says of it."""

    sentence: Sentence
    scores: Scores


def token_table(scored: Scored, tokenizer: Reader) -> pd.DataFrame:
    """Return a row per token: how probable, how expected, how uncertain the model was."""
    tokens, scores = scored.sentence.tokens, scored.scores
    words = tokenizer.words(tokens)
    return pd.DataFrame(
        {
            "sentence": scored.sentence.name,
            "position": range(len(tokens)),
            "text": tokenizer.decode_each(tokens),
            "word": [i for i, word in enumerate(words) for _ in range(word.start, word.stop)],
            "log_prob": scores.log_probs.tolist(),
            "rank": scores.ranks.tolist(),
            "entropy": scores.entropies.tolist(),
            "cumulative": scores.log_probs.double().cumsum(dim=0).tolist(),
        }
    )


def word_table(scored: Scored, tokenizer: Reader, *, after_space: bool) -> pd.DataFrame:
    """Return a row per word: its surprisal, plain and corrected, and the difference.

    Where no space tells that a word begins, the correction is not defined: there is none.
    """
    words = tokenizer.words(scored.sentence.tokens)
    found = word_surprisals(scored.scores, words, after_space=after_space)
    if not is_corrected(scored.sentence.tokens, tokenizer):
        found = WordSurprisals(plain=found.plain, corrected=found.plain)
    return pd.DataFrame(
        {
            "sentence": scored.sentence.name,
            "word": range(len(words)),
            "text": [word.text for word in words],
            "tokens": [word.stop - word.start for word in words],
            "surprisal": found.plain,
            "corrected": found.corrected,
            "difference": [b - a for a, b in zip(found.plain, found.corrected, strict=True)],
        }
    )


def is_corrected(tokens: list[int], tokenizer: Reader) -> bool:
    """Return whether a space tells where a text's words begin: their surprisal can be put right."""
    return tokenizer.text.words == "spaces" and not has_unspaced(tokenizer.decode(tokens))


def sentence_table(
    scored: Sequence[Scored], words: pd.DataFrame, tokenizer: Reader
) -> pd.DataFrame:
    """Return a row per sentence with every total, the most probable sentence first."""
    corrected = words.groupby("sentence")["corrected"].sum()
    rows = []
    for one in scored:
        tokens, log_probs = one.sentence.tokens, one.scores.log_probs
        product, underflows = naive_product(log_probs)
        rows.append(
            {
                "sentence": one.sentence.name,
                "text": tokenizer.decode(tokens).strip(),
                "tokens": len(tokens),
                "words": len(tokenizer.words(tokens)),
                **asdict(total(log_probs, tokenizer.n_bytes(tokens))),
                "corrected_nats": -float(corrected[one.sentence.name]),
                "float32_product": product,
                "underflows_after_tokens": underflows,
            }
        )
    table = pd.DataFrame(rows).sort_values("nats", ascending=False, kind="stable")
    table.insert(0, "rank", range(1, len(table) + 1))
    table["underflows_after_tokens"] = table["underflows_after_tokens"].astype("Int64")
    return table


def product_table(log_probs: torch.Tensor) -> pd.DataFrame:
    """Return the sum of log-probabilities and the float32 product after each token."""
    return pd.DataFrame(
        {
            "tokens": range(1, len(log_probs) + 1),
            "cumulative": log_probs.double().cumsum(dim=0).tolist(),
            "float32_product": log_probs.float().exp().cumprod(dim=0).tolist(),
        }
    )


def sample_table(drawn: Sequence[Drawn], tokenizer: Reader) -> pd.DataFrame:
    """Return a row per sampled sentence.

    `tokens` and `nats` are the sentence's, under the model; `drawn_…` are of all that was drawn
    until the sentence was seen to end, what comes after it too, under what was drawn from.
    """
    rows = []
    for one in drawn:
        n = tokenizer.sentence_length(one.tokens)
        rows.append(
            {
                "text": tokenizer.decode(one.tokens[:n]).strip(),
                "tokens": n,
                "nats": float(one.log_probs[:n].sum()),
                "sampling_nats": float(one.sampling_log_probs[:n].sum()),
                "drawn_tokens": len(one.tokens),
                "drawn_nats": float(one.sampling_log_probs.sum()),
                "drawn_entropy": float(one.entropies.sum()),
            }
        )
    return pd.DataFrame(rows)


def verbatim_table(drawn: Sequence[Drawn], tokenizer: Reader, text: Tokens) -> pd.DataFrame:
    """Return a row per token of some sampled sentences: the longest run of the text through it."""
    sampled = _sentences(drawn, tokenizer)
    runs = run_lengths(sampled, text)
    return pd.concat(
        pd.DataFrame({"sentence": number, "text": tokenizer.decode_running(tokens), "run": run})
        for number, (tokens, run) in enumerate(zip(sampled, runs, strict=True), start=1)
    )


def copied_shares(drawn: Sequence[Drawn], tokenizer: Reader, corpus: Corpus) -> dict[str, float]:
    """Return what share of some sampled sentences' tokens lies in runs of the training text.

    Beside it that of the held-out text, cut into pieces of the same lengths, time and again.
    """
    sampled, pieces = _sentences(drawn, tokenizer), []
    for held_out in sample_runs(corpus.val):
        rest = held_out.tolist()
        for like in itertools.cycle(sampled):
            if len(rest) < len(like):
                break
            pieces.append(rest[: len(like)])
            rest = rest[len(like) :]

    def share(texts: Sequence[Sequence[int]]) -> float:
        runs = [run for of_text in run_lengths(texts, corpus.train) for run in of_text]
        return sum(run >= COPIED for run in runs) / len(runs) if runs else 0.0

    return {"run": COPIED, "sampled": share(sampled), "held_out": share(pieces)}


def _sentences(drawn: Sequence[Drawn], tokenizer: Reader) -> list[list[int]]:
    """Return each one's tokens up to where its sentence ends."""
    return [one.tokens[: tokenizer.sentence_length(one.tokens)] for one in drawn]


def sample_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Return where the first sampled sentence stands, and whether -log p is the entropy on average.

    Each token's -log p has the entropy of what it was drawn from as its mean, whatever came before;
    so the sums over a sentence differ by zero on average. `z` is their mean difference over the
    sentences in its standard errors.
    """
    difference = -table["drawn_nats"] - table["drawn_entropy"]
    n, tokens = len(table), int(table["drawn_tokens"].sum())
    error = standard_error(difference)
    rate, own = table["nats"] / table["tokens"], table["nats"].iloc[0]
    return {
        "sentences": n,
        "mean_tokens": float(table["tokens"].mean()),
        "mean_nats": float(table["nats"].mean()),
        "share_less_probable": float((table["nats"] < own).mean()),
        "share_less_probable_per_token": float((rate < rate.iloc[0]).mean()),
        "nats_per_token": -float(table["drawn_nats"].sum()) / tokens,
        "entropy_per_token": float(table["drawn_entropy"].sum()) / tokens,
        "difference": float(difference.mean()),
        "standard_error": error,
        "z": float(difference.mean()) / error if error > 0 else 0.0,
    }


def summary(details: dict[str, Any]) -> dict[str, float]:
    """Return the few numbers of the sampled sentence, and of the model, by which runs compare."""
    return {
        "sentence_nats": details["nats"],
        "sentence_tokens": details["tokens"],
        "sentence_perplexity": details["perplexity"],
        "sentence_bits_per_byte": details["bits_per_byte"],
        "sampled_nats_per_token": details["samples"]["nats_per_token"],
        "sampled_entropy_per_token": details["samples"]["entropy_per_token"],
        "val_loss_sliding": details["calibration"]["nats_per_token"],
        "calibration_error": details["calibration"]["expected_calibration_error"],
    }
