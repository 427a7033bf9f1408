"""Whether a model is right as often as it says."""

from __future__ import annotations

import pandas as pd
from torch import Tensor

from looking_glass.pipeline.statistics import wilson_interval


def reliability(confidence: Tensor, correct: Tensor, n_bins: int) -> pd.DataFrame:
    """Return how often the most probable token was right, by how probable it was: a row per bin.

    `confidence` (N,) is the probability of the model's first choice, `correct` (N,) if it came.
    Bins are as wide as each other; empty ones are left out. `low` and `high` bound the accuracy
    with 95 % confidence (Wilson's interval). Source: Guo et al. 2017, On Calibration of Modern
    Neural Networks.
    """
    bins = (confidence.double() * n_bins).long().clamp(max=n_bins - 1)
    rows = []
    for index in range(n_bins):
        inside = bins == index
        n = int(inside.sum())
        if n:
            accuracy = float(correct[inside].double().mean())
            low, high = wilson_interval(accuracy, n)
            rows.append(
                {
                    "from": index / n_bins,
                    "to": (index + 1) / n_bins,
                    "tokens": n,
                    "confidence": float(confidence[inside].double().mean()),
                    "accuracy": accuracy,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows)


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return how far confidence and accuracy are apart, mean over tokens: 0 to 1."""
    gaps = (table["confidence"] - table["accuracy"]).abs() * table["tokens"]
    return float(gaps.sum() / table["tokens"].sum())
