"""Which tokens lie near."""

from __future__ import annotations

import pytest
import torch

from looking_glass.inversion.neighbours import (
    nearest_rows,
    nearest_tokens,
    neighbour_distance,
    usual_row_cosine,
)
from tests.helpers.models import make_model


def test_the_nearest_row_is_the_most_alike_in_direction_and_never_its_own() -> None:
    model = make_model()
    weight = model.lm_head.weight
    weight[7] = 3 * weight[5]
    weight[9] = -weight[5]
    found, cosine = nearest_rows(model, torch.tensor([5, 7]))
    assert found.tolist() == [7, 5]
    assert cosine.tolist() == pytest.approx([1, 1], abs=1e-6)


def test_the_nearest_embeddings_by_hand() -> None:
    model = make_model(vocab_size=4, n_embd=2, n_head=1)
    model.transformer.wte.weight.copy_(torch.tensor([[0.0, 0], [3, 4], [0, 10], [6, 8]]))
    ids, distances = nearest_tokens(model, torch.tensor([[3.0, 4.0], [0.0, 9.0]]))
    assert ids[:, 0].tolist() == [1, 2]
    assert distances[:, 0].tolist() == pytest.approx([0, 1])
    assert set(ids[0].tolist()) == {1, 0, 3}, "three are named"
    assert distances[0, 1:].tolist() == pytest.approx([5, 5])
    # To the next one: 5, 5, √40 and 5.
    assert neighbour_distance(model, torch.arange(4)) == pytest.approx(5)
    assert neighbour_distance(model, torch.tensor([2])) == pytest.approx(40**0.5)


def test_the_usual_cosine_is_the_median_over_tokens() -> None:
    model = make_model(vocab_size=3, n_embd=2, n_head=1)
    model.lm_head.weight.copy_(torch.tensor([[1.0, 0], [1, 1], [0, -1]]))
    # To the row most alike: √½, √½ and 0.
    assert usual_row_cosine(model) == pytest.approx(0.5**0.5)
