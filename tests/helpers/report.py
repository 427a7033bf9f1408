"""Small results for the report: colours, readings, and a choice with planted numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from looking_glass.report import methods
from looking_glass.report.measures import BY_KEY
from looking_glass.report.params import Colors
from looking_glass.report.pictures import Picture, png_address
from looking_glass.report.readings import Readings
from looking_glass.report.results import Choice

COLORS = Colors(primary="#2f5d8a", secondary="#c8612e", muted="#8a8a8a")
NOTHING = Picture(png=b"", source=png_address(b""), width=1, height=1)
READINGS = Readings(vectors={"parallel": 2, "prefix_1": 1, "prefix_3": 3})
WORDS = [*"abcdefghijkl"]
TOKENS = pd.DataFrame(
    {
        "text": ["I", " am"],
        "count": [30, 0],
        "nearest_row": [" you", " was"],
        "nearest_row_cosine": [0.5, 0.9],
        "usual_row_cosine": 0.6,
        "ceiling": [0.9, 0.004],
        "unaided": [float("nan"), 0.0001],
        "unaided_rank": [float("nan"), 4321],
        "parallel": [0.5, 0.001],
        "parallel_step": [20, 40],
        "prefix_3": [0.4, 0.0002],
        "prefix_3_step": [20, -1],
    }
)
FRONTIER = pd.DataFrame(
    {
        "sentence": ["sentence", "control_1", "control_1", "random"],
        "text": ["I am", "Off $5_^", "Off $5_^", "a long one: " * 5],
        "reading": ["parallel", "parallel", "prefix_3", "parallel"],
        "vectors": [2, 4, 3, 9],
        "exact_rate": [1.0, 1.0, 0.25, 0.0],
        "loss": [0.6, 0.1, 1.0, 9.0],
        "lowest_possible_loss": [0.5, 0.05, 0.05, 3.0],
    }
)


def choice(
    attention: dict[str, float],
    effect: dict[str, float],
    size: float | None = 0.1,
    sign: float | None = -0.2,
) -> Choice:
    """A choice in which the named words have these numbers, and all others have little.

    `size` and `sign` are the rank correlations of attention with every measure.
    """
    caused = [effect.get(word, -0.5) for word in WORDS[:10]] + [np.nan] * 2
    words = pd.DataFrame(
        {
            "word": range(12),
            "before": ["", *[" "] * 11],
            "text": WORDS,
            "predicting_row": [attention.get(word, 0.01) for word in WORDS],
            "own_row": [1 / 12] * 12,
            "without_first": [np.nan] + [1 / 11] * 11,
            **dict.fromkeys(BY_KEY, caused),
        }
    )
    top = max(effect, key=effect.__getitem__, default="a")
    rows = {"entropy": 1.5, "largest_entropy": 2.3, "mean_distance": 4.0}
    shares = {"on_itself": 0.1, "on_previous": 0.2, "on_first": 0.3}
    return Choice(
        block="last",
        rows=pd.DataFrame([{"row": "predicting", "head": "mean", **rows, **shares}]),
        words=words,
        measures=pd.DataFrame(
            {
                "measure": list(BY_KEY),
                "words_correlation": np.nan if sign is None else sign,
                "words_size_correlation": np.nan if size is None else size,
                "top": WORDS.index(top),
                "top_word": top,
                "top_effect": max(effect.values(), default=-0.5),
            }
        ),
        alternatives=pd.DataFrame({"text": [" eleven", " other"], "probability": [0.4, 0.2]}),
    )


def worth(
    texts: list[str], replaced: list[float], removed: list[float] | None = None
) -> pd.DataFrame:
    """What each word of one prompt is worth, by either way; NaN where none can stand in."""
    table = pd.DataFrame({"word": range(len(texts)), "text": texts})
    for way, values in (("removed", removed or replaced), ("replaced", replaced)):
        table[f"{way}_worth"] = values
        table[f"{way}_total"] = table[f"{way}_worth"].sum()
    return table


def method_rows(n_layer: int = 3, **size: float | tuple[float, float]) -> pd.DataFrame:
    """A row for every method and block as the stage `yardstick` writes them.

    Each has a correlation of 0.3 with the size of the exact worth, or that in `size`, by its key
    and block: `direct_2=0.4`, `rollout_all=0.4`; an interval 0.05 to either side, or the one given.
    Its order of words does as well as half of the best one would, and 0.1 better for each 0.1.
    """
    middle = {"shuffled_all": 0.0, "exact_all": 1.0, "nearest_all": 0.2}
    rows = []
    for method in methods.METHODS:
        blocks = [str(n + 1) for n in range(n_layer)] if method.by_block else []
        for block in [*blocks, methods.ALL]:
            key = f"{method.key}_{block}"
            given = size.get(key, middle.get(key, 0.3))
            low, high = given if isinstance(given, tuple) else (given - 0.05, given + 0.05)
            row: dict[str, object] = {"method": method.key, "block": block}
            unsigned = ("attention", "weighted_norm", "rollout", "nearest")
            row["signed"] = int(method.key not in unsigned)
            mean = (low + high) / 2
            for name, shift in SHIFTS.items():
                row |= {
                    name: mean + shift,
                    f"{name}_low": low + shift,
                    f"{name}_high": high + shift,
                }
            rows.append(row)
    return pd.DataFrame(rows)


# Each column of a table of methods, as far from `removed_size` as no other is.
SHIFTS = {
    "removed_size": 0.0,
    "removed_sign": -0.11,
    "removed_comprehensiveness": 0.5,
    "removed_sufficiency": 0.47,
    "replaced_size": 0.12,
    "replaced_sign": -0.13,
    "replaced_comprehensiveness": 0.43,
    "replaced_sufficiency": 0.41,
    "redrawn_size": -0.17,
    "redrawn_sign": -0.19,
}


def sinks(*shares: tuple[float, float, float], behind: bool = True) -> pd.DataFrame:
    """A row per block: the first token's share of the choosing row, from and to."""
    n = len(shares)
    gone = [float("nan")] * n
    return pd.DataFrame(
        {
            "block": range(1, n + 1),
            "share": [share for share, _, _ in shares],
            "share_low": [low for _, low, _ in shares],
            "share_high": [high for _, _, high in shares],
            "even": 0.1,
            "value_ratio": [0.5 + 0.1 * index for index in range(n)],
            "carried_ratio": [1.5 + 0.1 * index for index in range(n)],
            "break_even": [0.2] * n if behind else gone,
            "break_share": [0.3 + 0.1 * index for index in range(n)] if behind else gone,
            "share_behind": [0.05 + 0.01 * index for index in range(n)] if behind else gone,
        }
    )
