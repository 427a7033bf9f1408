"""Whether a model is right as often as it says."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from looking_glass.pipeline.statistics import wilson_interval


def reliability(confidence: Tensor, correct: Tensor, n_bins: int) -> pd.DataFrame:
    """Return how often the most probable token was right, by how probable it was: a row per bin.

    `confidence` (N,) is the probability of the model's first choice, `correct` (N,) if it came.
    Bins are as wide as each other; empty ones are left out. `low` and `high` bound the accuracy
    with 95 % confidence (Wilson's interval). Source: Guo et al. 2017, On Calibration of Modern
    Neural Networks.
    """
    bins = _bins(confidence, n_bins)
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


def error_by_chance(
    confidence: Tensor, n_bins: int, *, draws: int, generator: torch.Generator
) -> tuple[float, float]:
    """Return the expected calibration error of a model that is right as often as it says.

    That is not 0: on N tokens a bin's accuracy is off by chance. The first choice of each token is
    drawn to be right with its `confidence` (N,), so many times: the mean error of these draws, and
    what 95 % of them stay below.
    """
    confidence, bins = confidence.double(), _bins(confidence, n_bins)
    errors = []
    for _ in range(draws):
        right = torch.rand(len(confidence), generator=generator, dtype=torch.double) < confidence
        off = torch.zeros(n_bins, dtype=torch.double).index_add_(
            0, bins, confidence - right.double()
        )
        errors.append(off.abs().sum() / len(confidence))
    found = torch.stack(errors)
    return float(found.mean()), float(found.quantile(0.95))


def _bins(confidence: Tensor, n_bins: int) -> Tensor:
    return (confidence.double() * n_bins).long().clamp(max=n_bins - 1)
