"""Agreement of attention with its causes over many contexts, beside what chance gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from looking_glass.attention.agreement import (
    agreement_table,
    pattern_overlap,
    sample_contexts,
    top_agreement,
)
from looking_glass.attention.choices import choose
from looking_glass.pipeline.errors import InputError
from tests.helpers.models import make_model


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_contexts_are_pieces_of_the_text() -> None:
    text = np.arange(100, 140, dtype=np.uint16)
    drawn = sample_contexts(text, 50, 5, seeded())
    assert drawn.shape == (50, 5)
    assert (drawn.diff(dim=1) == 1).all()
    assert drawn.min() >= 100
    assert drawn.max() <= 139
    assert len(sample_contexts(text, 3, 40, seeded())) == 3
    with pytest.raises(InputError, match="at least 41 tokens is required, got 40"):
        sample_contexts(text, 3, 41, seeded())


def test_attention_that_is_the_cause_agrees_and_shuffled_attention_does_not() -> None:
    attention = torch.rand(300, 10, generator=seeded())
    noise = torch.rand(300, 10, generator=seeded(2))
    measured = {"attention": attention, "knock_out": 3 * attention - 1, "replacement": noise}
    table = agreement_table(measured, seeded(3))
    rows: Any = table.set_index("measure").to_dict("index")
    assert rows["knock_out"]["correlation"] == pytest.approx(1)
    assert rows["knock_out"]["same_top"] == 1
    assert abs(rows["knock_out"]["shuffled_correlation"]) < 0.1
    assert abs(rows["replacement"]["correlation"]) < 0.1
    assert rows["replacement"]["low"] < rows["replacement"]["correlation"]
    assert abs(rows["replacement"]["same_top"] - 0.1) < 0.06
    assert (table["uniform_same_top"] == 0.1).all()


def test_a_pattern_of_positions_alone_keeps_all_of_it() -> None:
    model = make_model()
    choices = choose(model, torch.randint(97, (20, 6)))
    with torch.no_grad():
        model.transformer.wte.weight.zero_()  # nothing is left but positions
    choices = choose(model, choices.contexts)
    kept = pattern_overlap(model, choices, 0, seeded())
    assert kept["of_position"] == pytest.approx(1, abs=1e-5)
    assert kept["of_content"] < 0.999


def test_a_pattern_of_tokens_alone_follows_them() -> None:
    model = make_model()
    with torch.no_grad():
        model.transformer.wpe.weight.zero_()
    choices = choose(model, torch.randint(97, (20, 6)))
    kept = pattern_overlap(model, choices, 0, seeded())
    assert kept["of_content"] == pytest.approx(1, abs=1e-5)
    assert kept["of_position"] < 0.999


def test_the_largest_entries_are_compared_row_by_row() -> None:
    a = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    b = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.9, 0.1]])
    assert top_agreement(a, b).tolist() == [0.0, 1.0]
