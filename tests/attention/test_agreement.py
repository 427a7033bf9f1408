"""Agreement of attention with its causes over many contexts, beside what chance gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from looking_glass.attention import agreement
from looking_glass.attention.agreement import (
    agreement_table,
    controls,
    pattern_overlap,
    top_agreement,
)
from looking_glass.attention.contexts import Case
from looking_glass.attention.measures import Measures
from looking_glass.attention.patterns import Trace
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.statistics import mean_interval, rank_correlations
from tests.helpers.cases import COMPUTE, case_of
from tests.helpers.models import make_model

TEXT = np.random.default_rng(3).integers(0, 97, 300).astype(np.uint16)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, n: int = 300) -> Tensor:
    """Return rows that sum to 1, of ten sources each."""
    return torch.rand(n, 10, generator=seeded(seed)).softmax(dim=1)


def table_of(measured: Measures, redrawn: Tensor | None = None) -> Any:
    """Return the table's rows by measure, kind and pattern."""
    attention = measured["attention"]
    held = controls(attention, drawn(9) if redrawn is None else redrawn, seeded(3))
    return agreement_table(measured, held).set_index(["measure", "kind", "pattern"]).sort_index()


def test_attention_follows_the_size_of_effects_and_tells_nothing_of_their_sign() -> None:
    attention = drawn(1)
    signs = torch.randint(2, (300, 10), generator=seeded(2)) * 2 - 1
    rows = table_of({"attention": attention, "knock_out": 3 * attention * signs})
    size, sign = (rows.loc["knock_out", kind] for kind in ("size", "sign"))
    assert size.loc["attention", "correlation"] == pytest.approx(1)
    assert size.loc["attention", "same_top"] == 1
    assert abs(sign.loc["attention", "correlation"]) < 0.06
    assert sign.loc["attention", "same_top"] < 0.7
    # Neither shuffled rows, nor places alone, nor another model have a share in it.
    for kind in (size, sign):
        for control in ("shuffled", "position", "redrawn"):
            assert abs(kind.loc[control, "correlation"]) < 0.1, control
            assert abs(kind.loc[control, "same_top"] - 0.1) < 0.07, control
    assert (rows["uniform_same_top"] == 0.1).all()


def test_where_places_decide_attention_leads_shuffled_rows_and_not_position() -> None:
    attention = (torch.arange(10.0) / 5 + 0.3 * drawn(1)).softmax(dim=1)
    rows = table_of({"attention": attention, "knock_out": attention}, redrawn=attention).loc[
        ("knock_out", "size")
    ]
    assert rows.loc["position", "correlation"] > 0.95
    assert abs(rows.loc["shuffled", "correlation"]) < 0.1
    assert rows.loc["redrawn", "correlation"] == pytest.approx(1)
    assert rows.loc["shuffled", "lead_low"] > 0.9
    assert abs(rows.loc["position", "lead"]) < 0.05
    assert rows.loc["redrawn", "lead"] == 0
    assert rows.loc["attention", ["lead", "lead_low", "lead_high"]].isna().all()


def test_the_lead_is_taken_context_by_context() -> None:
    attention, effects = drawn(1, 40), drawn(2, 40) + drawn(1, 40)
    held = controls(attention, drawn(9, 40), seeded(3))
    rows: Any = agreement_table({"attention": attention, "direct": effects}, held)
    row = rows[(rows["kind"] == "sign") & (rows["pattern"] == "redrawn")].iloc[0]
    own, other = (rank_correlations(p, effects) for p in (attention, held["redrawn"]))
    assert row[["lead", "lead_low", "lead_high"]].tolist() == pytest.approx(
        list(mean_interval(own - other))
    )
    assert row[["correlation", "low", "high"]].tolist() == pytest.approx(list(mean_interval(other)))
    assert row["low"] < row["correlation"] < row["high"]


def test_the_controls_by_hand() -> None:
    attention = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.6, 0.4, 0.0]])
    found = controls(attention, attention + 1, seeded())
    assert found["position"].tolist() == [
        pytest.approx([0.35, 0.25, 0.4]),
        pytest.approx([0.55, 0.35, 0.1]),
        pytest.approx([0.3, 0.2, 0.5]),
    ]
    assert torch.equal(found["shuffled"].sort(dim=1).values, attention.sort(dim=1).values)
    assert torch.equal(found["redrawn"], attention + 1)


def test_a_source_without_a_number_is_left_out() -> None:
    attention = drawn(1)
    effects = attention.clone()
    # Where attention is largest there is no number: a zero or an infinity would spoil all ranks.
    effects[torch.arange(300), attention.argmax(dim=1)] = math.nan
    rows = table_of({"attention": attention, "replacement": effects}).loc["replacement"]
    for kind in ("size", "sign"):
        assert rows.loc[(kind, "attention"), "correlation"] == pytest.approx(1)
        assert rows.loc[(kind, "attention"), "same_top"] == 1


def test_the_largest_entries_are_compared_row_by_row() -> None:
    no = math.nan
    a = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    b = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.9, 0.1], [no, 2.0, 1.0], [no, no, no]])
    found = top_agreement(a, b)
    assert found[:3].tolist() == [0.0, 1.0, 1.0]
    assert bool(found[3].isnan())


def overlaps(model: GPT, cases: list[Case], seed: int = 1) -> dict[str, float]:
    return pattern_overlap(model, cases, 0, TEXT, seeded(seed), COMPUTE)


def test_a_pattern_of_positions_alone_keeps_all_of_it_and_is_above_chance() -> None:
    model = make_model()
    model.transformer.wte.weight.zero_()  # nothing is left but positions
    cases = [case_of(model, torch.randint(97, (9,))) for _ in range(20)]
    kept = overlaps(model, cases)
    assert kept["of_position"] == pytest.approx(1, abs=1e-5)
    assert kept["of_content"] < 0.999
    # Chance is the same row, each share at another place.
    row = cases[0].choices.patterns[0][0, :, :-1].mean(dim=0)
    row = row / row.sum()
    orders = torch.rand(4000, 8, generator=seeded(5)).argsort(dim=1)
    expected = float(torch.minimum(row, row[orders]).sum(dim=1).mean())
    assert kept["of_neither"] == pytest.approx(expected, abs=0.05)
    assert kept["of_position_above_low"] > 0
    assert kept["of_content_above_low"] < 0.05


def test_a_pattern_of_tokens_alone_follows_them_and_is_above_chance() -> None:
    model = make_model()
    model.transformer.wpe.weight.zero_()
    kept = overlaps(model, [case_of(model, torch.randint(97, (9,))) for _ in range(20)])
    assert kept["of_content"] == pytest.approx(1, abs=1e-5)
    assert kept["of_position"] < 0.999
    assert kept["of_content_above_low"] > 0
    assert kept["of_position_above_low"] < 0


def test_unrelated_rows_overlap_and_are_not_above_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    cases = [case_of(model, torch.randint(97, (9,))) for _ in range(150)]
    generator = seeded(4)

    def unrelated(_: GPT, x: Tensor) -> Trace:
        B, T = x.shape[:2]
        pattern = torch.rand(B, 2, T, T, generator=generator).softmax(dim=-1)
        return Trace(hidden=x, patterns=[pattern], values=[])

    monkeypatch.setattr(agreement, "trace", unrelated)
    kept = overlaps(model, cases)
    assert kept["of_position"] > 0.5, "two rows that know nothing of each other share that much"
    for name in ("of_position", "of_content"):
        assert kept[f"{name}_above_low"] < 0 < kept[f"{name}_above_high"]
        assert kept[name] == pytest.approx(kept["of_neither"], abs=0.02)
