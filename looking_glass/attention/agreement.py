"""How far attention can be trusted: over many contexts, beside what interventions show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.patterns import rank_correlations
from looking_glass.attention.attribution import carried, direct, interval, overlap, parts_of, top_agreement
from looking_glass.text.corpus import Tokens
from looking_glass.pipeline.errors import InputError
from looking_glass.attention.interventions import Choices, Span, choose, knock_outs, replacements, single
from looking_glass.gpt.model import GPT

Measures = dict[str, Tensor]  # each (N, S): contexts by sources


def sample_contexts(tokens: Tokens, n: int, length: int, generator: torch.Generator) -> Tensor:
    """Return `n` contexts of `length` tokens that start anywhere in the text: (n, length).

    Raises `InputError` when the text is shorter than one.
    """
    last_start = len(tokens) - length
    if last_start < 0:
        raise InputError(
            f"attention.contexts: a validation text of at least {length} tokens is required, got "
            f"{len(tokens)}: take a longer text or a shorter prompt"
        )
    starts = torch.randint(last_start + 1, (n, 1), generator=generator)
    ids = torch.from_numpy(np.asarray(tokens).astype(np.int64))
    return ids[starts + torch.arange(length)]


@torch.no_grad()
def measure(
    model: GPT,
    choices: Choices,
    block: int,
    matched: Tensor,
    sources: Sequence[Span] | None = None,
) -> Measures:
    """Return the attention of each source in one block, and every measure of what it caused.

    The sources are every position, or ranges of positions (start, stop).
    """
    blocks = list(range(model.config.n_layer))
    spans = sources or single(choices.contexts.shape[1])
    row = choices.patterns[block].mean(dim=1)  # (N, T)
    norms, added = [], []
    for context, chosen in zip(choices.contexts, choices.chosen, strict=True):
        parts = parts_of(model, context)
        sent = carried(parts, block, spans)  # (S, C)
        norms.append(sent.norm(dim=-1))
        added.append(direct(model, parts, sent, int(chosen)))
    return {
        "attention": torch.stack([row[:, start:stop].sum(dim=1) for start, stop in spans], dim=1),
        "knock_out": knock_outs(model, choices, [block], sources=spans),
        "knock_out_all_blocks": knock_outs(model, choices, blocks, sources=spans),
        "replacement": replacements(model, choices, matched, spans),
        "weighted_norm": torch.stack(norms),
        "direct": torch.stack(added),
    }


def agreement_table(measured: Measures, generator: torch.Generator) -> pd.DataFrame:
    """Return a row per measure: how attention agrees with it, and how chance does.

    `correlation` is the mean over contexts of Spearman's, with its 95 % interval; `same_top` the
    share of contexts in which the source of most attention is also that of most effect. Chance is
    each row of attention shuffled, and attention that is uniform, whose top is any source.
    """
    attention = measured["attention"].cpu()
    order = torch.rand(attention.shape, generator=generator).argsort(dim=1)
    shuffled = attention.gather(1, order)
    rows = []
    for name, values in measured.items():
        if name == "attention":
            continue
        effects = values.cpu()
        row: dict[str, object] = {"measure": name}
        for label, pattern in (("", attention), ("shuffled_", shuffled)):
            mean, low, high = interval(rank_correlations(pattern, effects))
            row |= {f"{label}correlation": mean, f"{label}low": low, f"{label}high": high}
        row["same_top"] = float(top_agreement(attention, effects).mean())
        row["shuffled_same_top"] = float(top_agreement(shuffled, effects).mean())
        row["uniform_same_top"] = 1 / attention.shape[1]
        rows.append(row)
    return pd.DataFrame(rows)


@torch.no_grad()
def what_the_pattern_keeps(
    model: GPT, choices: Choices, block: int, generator: torch.Generator
) -> dict[str, float]:
    """Return how much of a block's last row stays when the tokens do not: means over contexts.

    `of_position` is the overlap (0 to 1) with the row after all tokens before the last have been
    replaced by those of another context; `of_content` after they have been shuffled, each source
    compared with the same token's, wherever it went. Sources are seen, the last position aside.
    """
    contexts, n_sources = choices.contexts, choices.contexts.shape[1] - 1
    row = choices.patterns[block].mean(dim=1)[:, :-1]
    other = contexts.roll(1, dims=0).clone()
    other[:, -1] = contexts[:, -1]
    order = torch.rand(len(contexts), n_sources, generator=generator).argsort(dim=1)
    order = order.to(contexts.device)
    shuffled = contexts.clone()
    shuffled[:, :-1] = contexts[:, :-1].gather(1, order)
    replaced_row = choose(model, other).patterns[block].mean(dim=1)[:, :-1]
    shuffled_row = choose(model, shuffled).patterns[block].mean(dim=1)[:, :-1]
    followed = torch.zeros_like(row).scatter(1, order, shuffled_row)

    def mean_overlap(a: Tensor, b: Tensor) -> float:
        a, b = (x / x.sum(dim=1, keepdim=True) for x in (a, b))
        return float(overlap(a, b).mean())

    return {
        "of_position": mean_overlap(row, replaced_row),
        "of_content": mean_overlap(row, followed),
    }


def mean_distance(row: Tensor) -> float:
    """Return how many positions back a row (T,) of the last position looks, on average."""
    back = torch.arange(len(row) - 1, -1, -1, dtype=torch.float64)
    return float((row.double().cpu() * back).sum())


def finite(value: float) -> float | None:
    """Return `value`, or None where it is no number, which JSON cannot hold."""
    return value if math.isfinite(value) else None
