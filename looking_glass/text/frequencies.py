"""What the counts of tokens tell: ranks, and what is new in the held-out part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from looking_glass.text.counting import Counts


def unseen_rate(train: Counts, val: Counts) -> float:
    """Return the share of validation tokens that never occur in the training part."""
    return float(val[train == 0].sum() / val.sum()) if val.any() else 0.0


def rank_frequency(counts: Counts) -> pd.DataFrame:
    """Return a row per token that occurs, most frequent first: rank (from 1), token, count."""
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    ranks = range(1, len(order) + 1)
    return pd.DataFrame({"rank": ranks, "token": order, "count": counts[order]})
