"""Ranks, correlations and intervals, each with the source of its formula."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
CONFIDENCE = 1.96  # standard errors to each side: 95 %


def rank_correlations(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """Return Spearman's correlation of each row: (N, S) twice → (N,); NaN where one is flat.

    Equal values share the mean of their ranks. A place where either has no number is left out of
    both.
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in (a, b)]
    known = np.isfinite(arrays[0]) & np.isfinite(arrays[1])
    ranks = [pd.DataFrame(np.where(known, values, np.nan)).rank(axis=1) for values in arrays]
    found: Array = np.asarray(ranks[0].corrwith(ranks[1], axis=1), dtype=np.float64)
    return found


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation of two lists; None where one does not vary."""
    return finite(float(rank_correlations([a], [b])[0]))


def mean_interval(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Return the mean of the finite ones of `values` and its 95 % interval, by the normal law.

    Of fewer than two values there is no interval: NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    if len(array) < 2:
        return float(array.mean()) if len(array) else math.nan, math.nan, math.nan
    mean = float(array.mean())
    half = CONFIDENCE * standard_error(array)
    return mean, mean - half, mean + half


def standard_error(values: npt.ArrayLike) -> float:
    """Return the standard error of the mean of independent values; 0 of a single one."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.std(ddof=1)) / math.sqrt(len(array)) if len(array) > 1 else 0.0


def grouped_error(values: npt.ArrayLike, length: int) -> float | None:
    """Return the standard error of the mean of values in order, of which neighbours are alike.

    It is that of the means of runs of `length`, taken as independent; a rest shorter than that is
    left out. Of fewer than two runs there is none.
    """
    array = np.asarray(values, dtype=np.float64)
    runs = array[: len(array) // length * length].reshape(-1, length).mean(axis=1)
    return standard_error(runs) if len(runs) > 1 else None


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share seen in n ≥ 1 trials."""
    z = CONFIDENCE
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def finite(value: float) -> float | None:
    """Return `value`, or None where it is no number, which JSON cannot hold."""
    return value if math.isfinite(value) else None
