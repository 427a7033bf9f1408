"""What the page is told, part by part."""

from __future__ import annotations

import pandas as pd

from looking_glass.report.context import best_restarts


def test_the_best_restart_of_each_reading_and_how_many_were_exact() -> None:
    restarts = pd.DataFrame(
        {
            "reading": ["prefix_3", "prefix_3", "prefix_3", "parallel"],
            "exact": [1, 0, 1, 0],
            "loss": [2.0, 1.0, 1.5, 5.0],
            "said": ["a", "b", "c", "d"],
        }
    )
    assert best_restarts(restarts) == [
        {"reading": "prefix_3", "said": "c", "loss": 1.5, "exact": 2, "restarts": 3},
        {"reading": "parallel", "said": "d", "loss": 5.0, "exact": 0, "restarts": 1},
    ]
