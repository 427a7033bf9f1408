"""What a model makes of a text: by length of context, and without parts of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.gpt.evaluation import (
    EvaluateParams,
    context_lengths,
    context_losses,
    context_table,
    losses_without,
    part_table,
)
from looking_glass.gpt.loss import mean_loss, token_losses
from tests.helpers.models import make_model

TEXT = np.random.default_rng(1).integers(0, 97, 60).astype(np.uint16)


def test_a_context_is_the_tokens_just_before() -> None:
    model = make_model()
    found = context_losses(model, TEXT, [20, 59], 3)
    for place, loss in zip((20, 59), found, strict=True):
        context = torch.tensor(TEXT[place - 3 : place].astype(int))[None]
        log_probs = model(context)[0, -1].log_softmax(dim=-1)
        assert float(loss) == pytest.approx(-float(log_probs[int(TEXT[place])]), abs=1e-5)


@pytest.mark.parametrize(
    ("block", "lengths"), [(64, [1, 2, 4, 8, 16, 32, 64]), (20, [1, 2, 4, 8, 16, 20]), (2, [1, 2])]
)
def test_lengths_double_up_to_the_block(block: int, lengths: list[int]) -> None:
    assert context_lengths(block) == lengths


def test_the_table_pairs_the_same_tokens() -> None:
    model = make_model()
    places = range(16, 60, 3)
    table = context_table(model, TEXT, places)
    assert table["length"].tolist() == [1, 2, 4, 8, 16]
    assert set(table["tokens"]) == {len(places)}
    assert table["change"].tolist()[1:] == pytest.approx(table["loss"].diff().tolist()[1:])
    pair = context_losses(model, TEXT, places, 8) - context_losses(model, TEXT, places, 4)
    error = float(pair.double().std()) / len(pair) ** 0.5
    assert table["change_error"].iloc[3] == pytest.approx(error, rel=1e-5)


def test_leaving_a_part_out_is_adding_nothing_and_is_undone() -> None:
    model = make_model()
    before = mean_loss(model, TEXT)
    assert float(losses_without(model, TEXT, [], "attn").mean()) == pytest.approx(before, rel=1e-6)
    without = float(losses_without(model, TEXT, [0, 1], "attn").mean())
    assert mean_loss(model, TEXT) == before
    for block in model.transformer.blocks:
        block.attn.c_proj.weight.zero_()
        block.attn.c_proj.bias.zero_()
    assert mean_loss(model, TEXT) == pytest.approx(without, abs=1e-5)
    assert without != pytest.approx(before, abs=1e-4)


def test_parts_have_a_row_a_block_and_one_for_all() -> None:
    model = make_model(n_layer=3)
    table = part_table(model, TEXT)
    assert table["block"].tolist() == ["1", "2", "3", "all"]
    assert table.notna().all().all()
    change = losses_without(model, TEXT, [1], "mlp") - token_losses(model, TEXT)
    runs = change[:48].view(3, 16).mean(dim=1)
    assert table["mlp_error"].iloc[1] == pytest.approx(float(runs.std()) / 3**0.5)


def test_runs_are_read_one_by_one_and_none_leads_into_the_next() -> None:
    model = make_model()
    runs = (TEXT[:21], TEXT[30:47], TEXT[50:52])
    losses = token_losses(model, runs)
    assert torch.equal(losses, torch.cat([token_losses(model, run) for run in runs]))
    assert len(losses) == 20 + 16 + 1
    assert mean_loss(model, runs) == pytest.approx(float(losses.mean()), rel=1e-6)
    assert float(losses.mean()) == pytest.approx(
        sum(mean_loss(model, run) * (len(run) - 1) for run in runs) / 37, rel=1e-6
    )
    one = float(losses_without(model, runs, [0], "attn").mean())
    assert part_table(model, runs)["without_attention"].iloc[0] == pytest.approx(one)


def test_places_are_all_of_a_short_text_and_at_most_as_many_as_asked_of_a_long_one() -> None:
    params = EvaluateParams(tokens=100, places=50)
    assert list(params.places_in(14, 10)) == [10, 11, 12, 13]
    assert len(params.places_in(50, 0)) == 50
    assert list(params.places_in(51, 45)) == [45, 47, 49]
    places = params.places_in(10_000, 1000)
    assert len(places) == 45, "50, but for those without a whole block before them"
    assert places[0] == 1000
