"""How far attention can be trusted: over many contexts, beside what interventions show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.choices import Choices, choose
from looking_glass.attention.measures import Measures
from looking_glass.attention.patterns import overlap
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.statistics import mean_interval, rank_correlations
from looking_glass.text.corpus import Tokens


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
            mean, low, high = mean_interval(rank_correlations(pattern, effects))
            row |= {f"{label}correlation": mean, f"{label}low": low, f"{label}high": high}
        row["same_top"] = float(top_agreement(attention, effects).mean())
        row["shuffled_same_top"] = float(top_agreement(shuffled, effects).mean())
        row["uniform_same_top"] = 1 / attention.shape[1]
        rows.append(row)
    return pd.DataFrame(rows)


def top_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return for each row whether its largest entry is the same in both: (N, S) twice → (N,)."""
    return (a.argmax(dim=1) == b.argmax(dim=1)).double()


@torch.no_grad()
def pattern_overlap(
    model: GPT, choices: Choices, block: int, generator: torch.Generator
) -> dict[str, float]:
    """Return how much of a block's last row stays when the tokens do not: means over contexts.

    `of_position` is the overlap (0 to 1) of the row with what it becomes when all tokens before the
    last are replaced by those of another context. `of_content` is the same when they are shuffled,
    and each token's share is compared with its share at its new place. The last position's own
    share is left out.
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
