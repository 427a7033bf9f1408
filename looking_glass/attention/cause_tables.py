"""What caused a choice, by several measures → tables that the report and a researcher read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from torch import Tensor

from looking_glass.attention.attribution import (
    direct,
    direct_constant,
    log_prob_of,
    logit_of,
    parts_of,
)
from looking_glass.attention.choices import Choices
from looking_glass.attention.continuation import Continuation
from looking_glass.attention.interventions import Span, knock_outs, logits_without
from looking_glass.attention.traced import TracedSentence
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.statistics import rank_correlation
from looking_glass.text.corpus import Tokens
from looking_glass.text.overlap import provenance
from looking_glass.text.tokenizer import Tokenizer

N_ALTERNATIVES = 10


def by_head(
    model: GPT, choices: Choices, block: int, spans: list[Span] | None = None
) -> list[Tensor]:
    """Return what each head's attention to each source was worth to the choice: (1, S) a head."""
    heads = range(model.config.n_head)
    return [knock_outs(model, choices, [block], head=head, sources=spans) for head in heads]


def added_by_head(model: GPT, choices: Choices, block: int) -> Tensor:
    """Return what each head brought from each source to the choice, as `direct`: (nh, S)."""
    parts = parts_of(model, choices.contexts[0])
    towards = log_prob_of(model, parts, int(choices.chosen[0]))
    return direct(model, parts, parts.moved[block], towards).cpu()


def measure_table(
    by_token: dict[str, Tensor], by_word: dict[str, Tensor], words: list[str]
) -> pd.DataFrame:
    """Return a row per measure: how attention ranks the sources of this choice as it does.

    Spearman's rank correlation over tokens and over words, with the effect as it is and, over
    words, with its size; and the word that caused most: its place `top`, for a sentence may have
    the same word twice.
    """
    rows = []
    for name in by_token:
        if name != "attention":
            top = int(by_word[name][0].nan_to_num(-math.inf).argmax())
            rows.append(
                {
                    "measure": name,
                    "tokens_correlation": _correlation(by_token, name),
                    "words_correlation": _correlation(by_word, name),
                    "words_size_correlation": _correlation(by_word, name, size=True),
                    "top": top,
                    "top_word": words[top],
                    "top_effect": float(by_word[name][0, top]),
                }
            )
    return pd.DataFrame(rows)


def _correlation(measured: dict[str, Tensor], name: str, *, size: bool = False) -> float | None:
    effects = measured[name][0].abs() if size else measured[name][0]
    return rank_correlation(measured["attention"][0].tolist(), effects.tolist())


def part_table(model: GPT, choices: Choices) -> pd.DataFrame:
    """Return a row per part of the chosen token's logit, and of its margin over the next best.

    The rows add up to the logit and to the margin; what rounding leaves is the last one.
    """
    parts = parts_of(model, choices.contexts[0])
    pair = [int(choices.chosen[0]), int(choices.second[0])]
    logits = model(choices.contexts)[0, -1]
    columns = []
    for token in pair:
        towards = logit_of(model, token)
        known = [
            *direct(model, parts, parts.values, towards).tolist(),
            direct_constant(model, towards),
        ]
        columns.append([*known, float(logits[token]) - sum(known)])
    chosen, second = columns
    return pd.DataFrame(
        {
            "part": [*parts.names, "last LayerNorm's bias", "remainder"],
            "logit": chosen,
            "margin": [a - b for a, b in zip(chosen, second, strict=True)],
        }
    )


def provenance_table(sentence: Continuation, text: Tokens, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return what follows the longest end of the context that the training text holds.

    The most frequent ones, and the model's choice wherever it stands: `rank` says where. `times` is
    how often the end of the context occurs, `followers` how many different tokens follow it.
    """
    context = sentence.tokens[: sentence.predicting + 1]
    found = provenance(context, text)
    ranked = list(enumerate(found.counts.items(), start=1)) if found.length else []
    rows = [
        (rank, token, times)
        for rank, (token, times) in ranked
        if rank <= N_ALTERNATIVES or token == sentence.chosen
    ]
    return pd.DataFrame(
        {
            "context": tokenizer.decode(context[len(context) - found.length :]),
            "context_tokens": found.length,
            "times": sum(found.counts.values()),
            "followers": len(found.counts),
            "rank": [rank for rank, _, _ in rows],
            "next": tokenizer.decode_alone([token for _, token, _ in rows]),
            "count": [times for _, _, times in rows],
            "is_the_choice": [int(token == sentence.chosen) for _, token, _ in rows],
        }
    )


def alternatives(logits: Tensor, tokenizer: Tokenizer) -> pd.DataFrame:
    """Return the most probable tokens for logits (V,), most probable first."""
    top = logits.softmax(dim=-1).topk(min(N_ALTERNATIVES, len(logits)))
    return pd.DataFrame(
        {
            "rank": range(1, len(top.indices) + 1),
            "text": tokenizer.decode_alone(top.indices.tolist()),
            "probability": top.values.tolist(),
        }
    )


def removal_table(
    model: GPT,
    traced: TracedSentence,
    blocks: Sequence[int],
    scope: str,
    tokenizer: Tokenizer,
    *,
    every_row: bool = False,
) -> pd.DataFrame:
    """Return the most probable tokens without each word in the attention of `blocks`.

    Of the choosing position's attention, or of every later one's with `every_row`.
    """
    context, spans = traced.choices.contexts[0], traced.spans
    logits = logits_without(model, context, blocks, sources=spans, every_row=every_row)  # (S, V)
    tables = []
    for index, word in enumerate(traced.words[: len(spans)]):
        table = alternatives(logits[index].cpu(), tokenizer)
        table.insert(0, "removed", word)
        table.insert(0, "word", index)
        table.insert(0, "scope", scope)
        tables.append(table)
    return pd.concat(tables)
