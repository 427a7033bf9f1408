"""Readings as people call them, in the order of the run."""

from __future__ import annotations

import pandas as pd

from looking_glass.report.readings import readings_in
from tests.helpers.report import FRONTIER


def test_each_reading_is_called_by_its_vectors() -> None:
    frontier = pd.DataFrame(
        {"reading": ["parallel", "prefix_1", "prefix_27"], "vectors": [9, 1, 27]}
    )
    readings = readings_in(frontier)
    assert readings.names == ["parallel", "prefix_1", "prefix_27"]
    assert readings.prefixes == ["prefix_1", "prefix_27"]
    labels = [readings.label(name) for name in readings.names]
    assert labels == ["parallel", "prefix of 1 vector", "prefix of 27 vectors"]


def test_a_reading_that_only_a_control_fits_in_is_one_of_them() -> None:
    assert readings_in(FRONTIER).names == ["parallel", "prefix_3"]
