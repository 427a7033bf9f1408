"""How far back heads look, over a text."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.attention import heads
from looking_glass.attention.patterns import Trace, trace
from looking_glass.gpt.model import GPT
from tests.helpers.models import make_model

TEXT = np.random.default_rng(1).integers(0, 97, 53).astype(np.uint16)


def test_shares_are_means_over_the_second_half_of_rows() -> None:
    model = make_model()
    shares = heads.distance_shares(model, TEXT)
    assert shares.shape == (2, 2, 8)
    ids = torch.from_numpy(TEXT[:48].astype(np.int64)).view(3, 16)
    pattern = trace(model, model.embed(ids)).patterns[1][:, 0]  # (blocks, T, T)
    by_hand = [float(pattern[:, row, row - 2].mean()) for row in range(8, 16)]
    assert float(shares[1, 0, 2]) == pytest.approx(sum(by_hand) / 8, abs=1e-6)


def test_a_text_in_runs_is_read_as_the_blocks_that_each_holds() -> None:
    model = make_model()
    found = heads.distance_shares(model, (TEXT[:20], TEXT[21:53]))
    blocks = np.concatenate([TEXT[:16], TEXT[21:53]])
    assert torch.allclose(found, heads.distance_shares(model, blocks), atol=1e-12)


def test_a_head_that_looks_two_back_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def fixed(model: GPT, x: torch.Tensor) -> Trace:
        pattern = torch.zeros(len(x), 2, 16, 16)
        rows = torch.arange(2, 16)
        pattern[:, 0, rows, rows - 2] = 0.9  # head 1
        pattern[:, 1, rows, rows] = 0.7  # head 2: the token itself
        return Trace(hidden=x, patterns=[pattern], values=[])

    monkeypatch.setattr(heads, "trace", fixed)
    table = heads.head_habits(make_model(n_layer=1), TEXT)
    assert table["distance"].tolist() == [2, 0]
    assert table["share"].tolist() == pytest.approx([0.9, 0.7])
    assert table["even"].iloc[0] == pytest.approx(sum(1 / n for n in range(9, 17)) / 8)
    assert table["share_on_itself"].tolist() == pytest.approx([0.0, 0.7])
    assert table[["block", "head"]].to_numpy().tolist() == [[1, 1], [1, 2]]


def test_what_falls_on_the_token_before_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def fixed(model: GPT, x: torch.Tensor) -> Trace:
        pattern = torch.zeros(len(x), 2, 16, 16)
        rows = torch.arange(2, 16)
        pattern[:, :, rows, rows - 1] = 0.3
        pattern[:, :, rows, rows - 2] = 0.6
        return Trace(hidden=x, patterns=[pattern], values=[])

    monkeypatch.setattr(heads, "trace", fixed)
    table = heads.head_habits(make_model(n_layer=1), TEXT)
    assert table["share_on_previous"].tolist() == pytest.approx([0.3, 0.3])
    assert table["share"].tolist() == pytest.approx([0.6, 0.6])
