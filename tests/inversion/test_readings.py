"""The two readings: how many vectors each has, and what fits in a block."""

from __future__ import annotations

import pytest

from looking_glass.inversion.readings import PARALLEL, Reading, check_fits, readings_of
from looking_glass.pipeline.errors import InputError


def test_each_reading_has_its_name_and_its_vectors() -> None:
    readings = readings_of([1, 9])
    assert readings == [PARALLEL, Reading(1), Reading(9)]
    assert [reading.name for reading in readings] == ["parallel", "prefix_1", "prefix_9"]
    assert [reading.n_vectors(5) for reading in readings] == [5, 1, 9]
    assert [reading.parallel for reading in readings] == [True, False, False]
    assert max(readings) == Reading(9)


@pytest.mark.parametrize(
    ("n", "reading", "fitting"),
    [
        (16, PARALLEL, True),
        (17, PARALLEL, False),
        (16, Reading(1), True),
        (8, Reading(9), True),
        (8, Reading(10), False),
    ],
)
def test_a_reading_fits_when_the_block_holds_its_positions(
    n: int, reading: Reading, fitting: bool
) -> None:
    assert reading.fits(n, block_size=16) == fitting


@pytest.mark.parametrize(
    ("n", "message"),
    [(0, "control_1: at least one token is required"), (17, "= 16 tokens are required, got 17")],
)
def test_what_no_reading_can_hold_is_refused(n: int, message: str) -> None:
    check_fits(16, block_size=16, what="control_1")
    with pytest.raises(InputError, match=message):
        check_fits(n, block_size=16, what="control_1")
