"""How close each method comes to the exact answer: a row per method, over many contexts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from looking_glass.pipeline.statistics import Array, mean_interval, rank_correlations
from looking_glass.yardstick.methods import ALL, UNSIGNED, Scores
from looking_glass.yardstick.shapley import extreme_walks, faithfulness, shapley_values

REMOVED, REPLACED = "removed", "replaced"  # the two ways in which a word is not there
EXACT = "exact"  # the Shapley values themselves, as a method
AGAINST = ("size", "sign")


def exact_worth(values: Mapping[str, Tensor], without: Tensor) -> dict[str, Tensor]:
    """Return the Shapley values (N, n) by either way, from `values` (N, 2^n).

    A word that nothing can stand in for, `without` (N, n), has none where words are replaced.
    """
    worth = {way: shapley_values(one) for way, one in values.items()}
    return {**worth, REPLACED: worth[REPLACED].masked_fill(without, math.nan)}


def method_table(
    scores: Scores,
    values: Mapping[str, Tensor],
    worth: Mapping[str, Tensor],
    other: Scores,
) -> pd.DataFrame:
    """Return a row per method and block, and one for the exact answer itself.

    For each way in which words are not there, `removed` or `replaced`: the mean over contexts of
    Spearman's correlation with the exact worth, its size (`…_size`) and as it is (`…_sign`), and
    how well the method's order of words does between the worst (0) and the best (1) possible
    (`…_comprehensiveness`, `…_sufficiency`); each with its 95 % interval (`…_low`, `…_high`).
    `redrawn_size` and `redrawn_sign` are the correlations of the same method's scores taken from
    `other`, a model that learned nothing, with this one's exact worth by removal. `signed` says
    whether a method can be negative at all.
    """
    walks = {way: extreme_walks(one) for way, one in values.items()}
    ranked = {**scores, (EXACT, ALL): worth[REMOVED]}
    rows = []
    for (method, block), given in ranked.items():
        row: dict[str, object] = {
            "method": method,
            "block": block,
            "signed": int(method not in UNSIGNED),
        }
        for way, one in values.items():
            own = worth[way] if method == EXACT else given
            for kind in AGAINST:
                row |= _interval(f"{way}_{kind}", _correlations(own, worth[way], kind))
            found = faithfulness(one, own.nan_to_num(0.0), walks[way])
            row |= _interval(f"{way}_comprehensiveness", found.comprehensiveness)
            row |= _interval(f"{way}_sufficiency", found.sufficiency)
        for kind in AGAINST:
            unlearned = other.get((method, block), torch.full_like(given, math.nan))
            row |= _interval(f"redrawn_{kind}", _correlations(unlearned, worth[REMOVED], kind))
        rows.append(row)
    return pd.DataFrame(rows)


def _correlations(scores: Tensor, worth: Tensor, kind: str) -> Array:
    """Return each context's correlation with the exact worth, of sizes or as both are: (N,)."""
    if kind == "size":
        scores, worth = scores.abs(), worth.abs()
    return rank_correlations(scores, worth)


def _interval(name: str, values: npt.ArrayLike) -> dict[str, float]:
    mean, low, high = mean_interval(values)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def word_table(
    texts: list[str], values: Mapping[str, Tensor], worth: Mapping[str, Tensor]
) -> pd.DataFrame:
    """Return a row per word of one choice: its exact worth by either way, in nats.

    `values` (2^n,) and `worth` (n,). Each way's `…_total` is what all words together are worth.
    """
    table = pd.DataFrame({"word": range(len(texts)), "text": texts})
    for way, one in values.items():
        table[f"{way}_worth"] = worth[way].tolist()
        table[f"{way}_total"] = float(one[-1] - one[0])
    return table
