"""Calibration: bins by hand, and a model that is as right as it says has no error to speak of."""

from __future__ import annotations

import pytest
import torch

from looking_glass.likelihood.calibration import (
    error_by_chance,
    expected_calibration_error,
    reliability,
)


def test_bins_by_hand() -> None:
    confidence = torch.tensor([0.05, 0.15, 0.19, 1.0])
    correct = torch.tensor([False, True, False, True])
    table = reliability(confidence, correct, 10)
    assert table["tokens"].tolist() == [1, 2, 1]
    assert table["from"].tolist() == [0, 0.1, 0.9]
    assert table["to"].tolist() == [0.1, 0.2, 1]
    assert table["accuracy"].tolist() == [0, 0.5, 1]
    assert table["confidence"].tolist() == pytest.approx([0.05, 0.17, 1.0])
    expected = (0.05 + 2 * 0.33 + 0) / 4
    assert expected_calibration_error(table) == pytest.approx(expected)


def test_one_that_is_right_as_often_as_it_says_lies_on_the_diagonal() -> None:
    generator = torch.Generator().manual_seed(1)
    confidence = torch.rand(20_000, generator=generator)
    correct = torch.rand(20_000, generator=generator) < confidence
    table = reliability(confidence, correct, 10)
    assert expected_calibration_error(table) < 0.015
    inside = (table["low"] <= table["confidence"]) & (table["confidence"] <= table["high"])
    assert inside.sum() >= 8
    assert expected_calibration_error(reliability(confidence, ~correct, 10)) > 0.4


def test_chance_makes_an_error_of_a_perfect_model_too() -> None:
    generator = torch.Generator().manual_seed(1)
    confidence = torch.full((100,), 0.5)
    mean, most = error_by_chance(confidence, 10, draws=2000, generator=generator)
    # Of one bin: the mean of |right - 50| / 100, right being binomial: √(2 / π) · 5 / 100.
    assert mean == pytest.approx(0.0399, abs=0.002)
    assert most == pytest.approx(0.1, abs=0.011)
    sure = error_by_chance(torch.ones(50), 10, draws=20, generator=generator)
    assert sure == (0.0, 0.0)
    again = [
        error_by_chance(confidence, 10, draws=5, generator=torch.Generator().manual_seed(2))
        for _ in range(2)
    ]
    assert again[0] == again[1], "drawn by the generator alone"
