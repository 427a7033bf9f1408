"""Small results for the report: colours, readings, and a choice with planted numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from looking_glass.report.measures import BY_KEY
from looking_glass.report.params import Colors
from looking_glass.report.readings import Readings
from looking_glass.report.results import Choice

COLORS = Colors(primary="#2f5d8a", secondary="#c8612e", muted="#8a8a8a")
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
    attention: dict[str, float], effect: dict[str, float], correlation: float | None = 0.1
) -> Choice:
    """A choice in which the named words have these numbers, and all others have little."""
    caused = [effect.get(word, -0.5) for word in WORDS[:10]] + [np.nan] * 2
    words = pd.DataFrame(
        {
            "text": WORDS,
            "predicting_row": [attention.get(word, 0.01) for word in WORDS],
            "own_row": [1 / 12] * 12,
            **dict.fromkeys(BY_KEY, caused),
        }
    )
    rows = {"entropy": 1.5, "largest_entropy": 2.3, "mean_distance": 4.0}
    shares = {"on_itself": 0.1, "on_previous": 0.2, "on_first": 0.3}
    return Choice(
        block="last",
        rows=pd.DataFrame([{"row": "predicting", "head": "mean", **rows, **shares}]),
        words=words,
        measures=pd.DataFrame(
            {
                "measure": list(BY_KEY),
                "words_correlation": np.nan if correlation is None else correlation,
                "top_word": max(effect, key=effect.__getitem__, default="a"),
                "top_effect": max(effect.values(), default=-0.5),
            }
        ),
        alternatives=pd.DataFrame({"text": [" eleven", " other"], "probability": [0.4, 0.2]}),
    )
