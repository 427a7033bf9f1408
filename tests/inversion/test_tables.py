"""What inverting found, in numbers and tables: by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from looking_glass.inversion import tables
from looking_glass.inversion.inverted import best_restart
from looking_glass.inversion.judging import Verdict
from looking_glass.inversion.optimiser import Inversion
from looking_glass.inversion.readings import PARALLEL, Reading


def found(log_probs: list[list[list[float]]], largest: list[list[list[int]]]) -> Inversion:
    """Return what was found by checks (outermost), restarts and target tokens."""
    values = torch.tensor(log_probs)
    return Inversion(
        vectors=torch.zeros(values.shape[1], 2, 4),
        drawn=torch.zeros(values.shape[1], 2, 4),
        steps=torch.tensor([0, 20, 30][: len(values)]),
        log_probs=values,
        largest=torch.tensor(largest).bool(),
        first=torch.zeros(values.shape, dtype=torch.long),
    )


def verdict(correct: list[list[int]], log_probs: list[list[float]]) -> Verdict:
    values = torch.tensor(log_probs)
    return Verdict(
        said=torch.zeros(values.shape, dtype=torch.long),
        correct=torch.tensor(correct).bool(),
        log_probs=values,
        ranks=torch.ones(values.shape),
        gaps=values + 1,
    )


INVERSION = found(
    [[[-4.0, -2.0], [-6.0, -2.0]], [[-1.0, -2.0], [-3.0, -1.0]], [[-1.0, -1.0], [-3.0, -1.0]]],
    [[[0, 0], [0, 1]], [[1, 0], [0, 1]], [[1, 1], [0, 1]]],
)
VERDICT = verdict([[1, 1], [0, 1]], [[-1.0, -1.0], [-3.0, -1.0]])


def test_a_reading_is_summed_up_over_its_restarts() -> None:
    assert tables.summary(INVERSION, VERDICT) == {
        "drawn_loss": 3.5,
        "exact_rate": 0.5,
        "token_accuracy": 0.75,
        "loss": 1.5,
        "best_loss": 1.0,
        "smallest_probability": pytest.approx(math.exp(-3)),
        "smallest_gap": -2.0,
        "first_exact_step": 30,
    }
    assert best_restart(VERDICT) == 0
    surer, exact = [[-1.0, -1.0], [-3.0, -3.0]], [[0, 1], [1, 1]]
    assert best_restart(verdict(exact, surer)) == 1, "one that says the sentence comes first"
    assert best_restart(verdict([[0, 1], [1, 0]], surer)) == 0
    at_once = found([[[-4.0, -2.0]]], [[[1, 1]]])
    assert tables.summary(at_once, verdict([[1, 1]], [[-4.0, -2.0]]))["first_exact_step"] == 0
    never = found([[[-4.0, -2.0]]], [[[0, 1]]])
    told = tables.summary(never, verdict([[0, 1]], [[-4.0, -2.0]]))
    assert told["first_exact_step"] is None


def test_first_steps_are_told_by_restart_and_by_token() -> None:
    assert INVERSION.first_exact_step.tolist() == [30, -1]
    assert INVERSION.first_right_step.tolist() == [[20, 30], [-1, 0]]
    assert INVERSION.losses.tolist() == [[3.0, 4.0], [1.5, 2.0], [1.0, 2.0]]


def test_losses_of_readings_stand_side_by_side_and_one_that_did_not_fit_is_empty() -> None:
    prefix = found([[[-8.0, -8.0]], [[-5.0, -3.0]]], [[[0, 0]], [[0, 0]]])
    table = tables.loss_table(
        {PARALLEL: INVERSION, Reading(3): prefix}, [PARALLEL, Reading(3), Reading(9)]
    )
    assert list(table) == ["step", "parallel", "prefix_3", "prefix_9"]
    assert table["step"].tolist() == [0, 20, 30]
    assert table["parallel"].tolist() == [3.5, 1.75, 1.5]
    assert table["prefix_3"].tolist()[:2] == [8.0, 4.0]
    assert table["prefix_3"].isna().tolist() == [False, False, True]
    assert table["prefix_9"].isna().all()


def test_runs_are_compared_by_the_parallel_reading_and_the_best_prefix() -> None:
    reached: dict[Reading, dict[str, Any]] = {
        Reading(1): {"loss": 5.0, "exact_rate": 0.25},
        PARALLEL: {"loss": 1.0, "exact_rate": 1.0},
        Reading(9): {"loss": 3.0, "exact_rate": 1.0},
        Reading(27): {"loss": 3.5, "exact_rate": 1.0},
    }
    assert tables.overall(0.5, reached) == {
        "inversion_lowest_possible_loss": 0.5,
        "inversion_parallel_loss": 1.0,
        "inversion_parallel_exact_rate": 1.0,
        "inversion_prefix_best_exact_rate": 1.0,
        "inversion_prefix_fewest_vectors": 9,
    }
    few = tables.overall(0.5, {reading: reached[reading] for reading in (PARALLEL, Reading(1))})
    assert few["inversion_prefix_best_exact_rate"] == 0.25
    assert few["inversion_prefix_fewest_vectors"] is None
    alone = tables.overall(0.5, {PARALLEL: reached[PARALLEL]})
    assert len(alone) == 3, "no prefix fitted"
