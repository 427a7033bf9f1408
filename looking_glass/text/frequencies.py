"""How often each token occurs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Counts = npt.NDArray[np.int64]
COUNTED = 1 << 22  # tokens counted at once


def count_tokens(path: Path, vocab_size: int) -> Counts:
    """Return how often each token occurs in a file of little-endian uint16: (V,)."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    with path.open("rb") as file:  # read, not mapped: the pages of a map would stay in memory
        while len(tokens := np.fromfile(file, dtype="<u2", count=COUNTED)):
            counts += np.bincount(tokens, minlength=vocab_size)
    return counts


def unseen_rate(train: Counts, val: Counts) -> float:
    """Return the share of validation tokens that never occur in the training part."""
    return float(val[train == 0].sum() / val.sum()) if val.any() else 0.0


def rank_frequency(counts: Counts) -> pd.DataFrame:
    """Return a row per token that occurs, most frequent first: rank (from 1), token, count."""
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    ranks = range(1, len(order) + 1)
    return pd.DataFrame({"rank": ranks, "token": order, "count": counts[order]})
