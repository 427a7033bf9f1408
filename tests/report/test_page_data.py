"""What the page's scripts work with says what the tables say, and is JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from looking_glass.report import page_data


def test_what_is_no_number_becomes_null() -> None:
    arrays = {
        "prompt_2.predicting": np.full((1, 1, 2, 2), 0.123456, dtype=np.float32),
        "prompt_2.own": np.zeros((1, 1, 2, 2), dtype=np.float32),
        "prompt_2.effect": np.array([[[np.nan, 0], [-1, 2]]], dtype=np.float32),
    }
    found = page_data.explorer(arrays, 2, ["a", "b"])
    assert found["words"] == ["a", "b"]
    assert found["predicting"] == [[[[0.1235, 0.1235], [0.1235, 0.1235]]]]
    assert found["effect"] == [[[None, 0.0], [-1.0, 2.0]]]
    json.dumps(found, allow_nan=False)


def test_each_reading_appears_step_by_step() -> None:
    table = pd.DataFrame(
        {
            "reading": ["parallel"] * 4,
            "step": [0, 0, 20, 20],
            "position": [0, 1, 0, 1],
            "said": ["x", " y", "a", " b"],
            "right": [0, 0, 1, 0],
            "log_prob": [-4.0, -2.0, -1.0, 0.0],
        }
    )
    (found,) = page_data.appearance(table, {"parallel": "in parallel"})
    assert found == {
        "reading": "in parallel",
        "steps": [0, 20],
        "said": [["x", " y"], ["a", " b"]],
        "right": [[0, 0], [1, 0]],
        "loss": [3.0, 0.5],
    }


@pytest.mark.parametrize(("nats", "heat"), [(-0.2, 0.0), (3.0, 0.25), (12.0, 1.0), (40.0, 1.0)])
def test_heat_grows_with_surprisal_up_to_the_full_colour(nats: float, heat: float) -> None:
    words = pd.DataFrame({"text": ["w"], "corrected": [nats], "surprisal": [1.0]})
    assert page_data.heated(words, [""])[0]["heat"] == heat


def test_copies_are_kept_by_sentence() -> None:
    table = pd.DataFrame({"sentence": [1, 1, 2], "text": ["a", " b", "c"], "run": [2, 2, 1]})
    assert page_data.copies(table) == [
        [{"text": "a", "run": 2}, {"text": " b", "run": 2}],
        [{"text": "c", "run": 1}],
    ]
