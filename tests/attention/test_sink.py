"""The first token as a sink: a model made by hand whose first position gets a known share."""

from __future__ import annotations

import math

import pytest
import torch

from looking_glass.attention.patterns import trace
from looking_glass.attention.sink import sink_table
from looking_glass.gpt.model import GPT
from tests.helpers.cases import COMPUTE, case_of
from tests.helpers.models import make_model

ODDS = 9.0  # of the first position against each other one


def sinking() -> GPT:
    """Return a model of one block that gives the first position ODDS times what each other gets.

    And half the others' value. After the first LayerNorm channel 0 is √7 at the first position and
    -1/√7 at every other: 8/√7 apart.
    """
    model = make_model(n_layer=1, block_size=12)
    apart = 8 / math.sqrt(7)
    model.transformer.wte.weight.zero_()
    model.transformer.wpe.weight.zero_()
    model.transformer.wpe.weight[0, 0] = 1e3
    model.transformer.wpe.weight[1:, 1] = 1e3
    block = model.transformer.blocks[0]
    block.ln_1.weight.fill_(1)
    block.ln_1.bias.zero_()
    block.attn.c_attn.weight.zero_()
    block.attn.c_attn.bias.zero_()
    for head in (0, 4):  # the first channel of each, of four
        block.attn.c_attn.bias[head] = math.log(ODDS) * math.sqrt(4) / apart  # query
        block.attn.c_attn.weight[8 + head, 0] = 1  # key
        block.attn.c_attn.weight[16 + head, 0] = -0.5 / apart  # value: 1 elsewhere, 0.5 there
        block.attn.c_attn.bias[16 + head] = 1 - 0.5 / apart / math.sqrt(7)
    return model


def test_a_known_share_is_found() -> None:
    model = sinking()
    cases = [case_of(model, torch.randint(97, (10,))) for _ in range(3)]
    (row,) = sink_table(model, cases, [5, 6], COMPUTE).to_dict("records")
    assert row["block"] == 1
    assert row["share"] == pytest.approx(9 / 18, abs=1e-4)
    assert row["share_low"] == pytest.approx(row["share_high"], abs=1e-5), "all cases alike"
    assert row["even"] == pytest.approx(1 / 10)
    assert row["value_ratio"] == pytest.approx(0.5, abs=1e-4)
    assert row["carried_ratio"] == pytest.approx(9 * 0.5, abs=1e-3)
    # Two tokens in front: the first of them is the sink now, and the rest are alike.
    assert row["break_share"] == pytest.approx(10 / 20, abs=1e-4)
    assert row["share_behind"] == pytest.approx(1 / 20, abs=1e-4)
    assert row["break_even"] == pytest.approx(2 / 12)


def test_what_the_block_cannot_hold_behind_a_break_is_left_out_there() -> None:
    model = sinking()
    cases = [case_of(model, torch.randint(97, (length,))) for length in (5, 10, 11)]
    (row,) = sink_table(model, cases, [5, 6], COMPUTE).to_dict("records")
    assert row["even"] == pytest.approx((1 / 5 + 1 / 10 + 1 / 11) / 3)
    assert row["share"] == pytest.approx((9 / 13 + 9 / 18 + 9 / 19) / 3, abs=1e-4)
    assert row["share_low"] < row["share"] < row["share_high"]
    assert row["share_behind"] == pytest.approx((1 / 15 + 1 / 20) / 2, abs=1e-4)
    (row,) = sink_table(model, cases[2:], [5, 6], COMPUTE).to_dict("records")
    assert math.isnan(row["break_share"])


def test_there_is_a_row_for_each_block() -> None:
    model = make_model(n_layer=3)
    case = case_of(model, torch.randint(97, (6,)))
    table = sink_table(model, [case, case], [5], COMPUTE)
    assert table["block"].tolist() == [1, 2, 3]
    for block, pattern in enumerate(case.choices.patterns):
        expected = float(pattern[0, :, 0].mean())
        assert table["share"].iloc[block] == pytest.approx(expected, abs=1e-6)
    tokens = torch.cat([torch.tensor([[5]]), case.choices.contexts], dim=1)
    for block, pattern in enumerate(trace(model, model.embed(tokens)).patterns):
        before, behind = pattern[0, :, -1, :2].mean(dim=0).tolist()
        assert table["break_share"].iloc[block] == pytest.approx(before, abs=1e-6)
        assert table["share_behind"].iloc[block] == pytest.approx(behind, abs=1e-6)
