"""Arrays and tables → what the page's scripts and coloured sentences are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

DIGITS = 4  # after the point: more than anyone sees, and a smaller page
HOTTEST = 12.0  # nats: a word that surprises so much or more has the full colour

Arrays = Mapping[str, npt.NDArray[np.float32]]


def explorer(arrays: Arrays, number: int, words: Sequence[str]) -> dict[str, Any]:
    """Return one sentence's attention between words in every block and head, and the effects."""
    found = {
        name: _plain(arrays[f"prompt_{number}.{name}"]) for name in ("predicting", "own", "effect")
    }
    return {"words": list(words), **found}


def _plain(array: npt.NDArray[np.float32]) -> Any:
    """Return an array as lists of numbers that JSON can hold: what is no number becomes None."""
    rounded = np.round(array.astype(np.float64), DIGITS).astype(object)
    rounded[np.isnan(array)] = None
    return rounded.tolist()


def appearance(table: pd.DataFrame, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return, for each reading, what was said at each step, which of it was right, and the loss."""
    readings = []
    for reading, rows in table.groupby("reading", sort=False):
        steps = [group for _, group in rows.groupby("step")]
        readings.append(
            {
                "reading": labels[str(reading)],
                "steps": [int(group["step"].iloc[0]) for group in steps],
                "said": [group["said"].tolist() for group in steps],
                "right": [group["right"].tolist() for group in steps],
                "loss": [round(-float(group["log_prob"].mean()), DIGITS) for group in steps],
            }
        )
    return readings


def heated(words: pd.DataFrame, before: Sequence[str]) -> list[dict[str, Any]]:
    """Return each word of a sentence with its surprisal, and its share of the hottest colour.

    `before` is what stands before each word.
    """
    return [
        {
            "before": space,
            "text": row["text"],
            "heat": round(min(max(row["corrected"], 0.0) / HOTTEST, 1.0), 3),
            "corrected": row["corrected"],
            "surprisal": row["surprisal"],
        }
        for row, space in zip(words.to_dict("records"), before, strict=True)
    ]


def copies(table: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """Return the tokens of each sampled sentence with the longest run of the book through each."""
    return [
        [{"text": text, "run": run} for text, run in zip(rows["text"], rows["run"], strict=True)]
        for _, rows in table.groupby("sentence", sort=True)
    ]
