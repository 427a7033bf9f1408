"""Patterns, rows and words as they are defined."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from looking_glass.attention.patterns import (
    attention_pattern,
    entropy,
    mean_distance,
    overlap,
    trace,
    word_pattern,
)
from looking_glass.text.words import Word
from tests.helpers.models import make_model


def test_a_case_of_two_tokens_worked_by_hand() -> None:
    # hs = 4, so scores are halved. q1·k0 = 2 ln 3 → 1/2 of it is ln 3; q1·k1 = 0.
    query = torch.tensor([[1.0, 0, 0, 0], [2 * math.log(3), 0, 0, 0]]).view(1, 1, 2, 4)
    key = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]).view(1, 1, 2, 4)
    expected = torch.tensor([[1.0, 0.0], [0.75, 0.25]])
    assert torch.allclose(attention_pattern(query, key)[0, 0], expected)


def test_tracing_changes_no_logit_and_rows_sum_to_one() -> None:
    model = make_model()
    tokens = torch.arange(12).view(1, 12) * 7
    traced = trace(model, model.embed(tokens))
    assert torch.allclose(model.lm_head(traced.hidden), model(tokens), atol=1e-5)
    assert len(traced.patterns) == 2
    for pattern in traced.patterns:
        assert pattern.shape == (1, 2, 12, 12)
        assert torch.allclose(pattern.sum(-1), torch.ones(1, 2, 12))
        assert (pattern.triu(1) == 0).all()


def test_later_tokens_change_no_earlier_row() -> None:
    model = make_model()
    tokens = torch.arange(12).view(1, 12) * 7
    changed = tokens.clone()
    changed[:, 8:] += 1
    for before, after in zip(
        trace(model, model.embed(tokens)).patterns,
        trace(model, model.embed(changed)).patterns,
        strict=True,
    ):
        assert torch.allclose(before[:, :, :8], after[:, :, :8], atol=1e-6)


def test_knocking_out_all_sources_but_one_leaves_it_everything() -> None:
    model = make_model()
    removed = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    removed[0, 0, 5, [0, 1, 3, 4, 5]] = True
    traced = trace(model, model.embed(torch.arange(6).view(1, 6)), {1: removed})
    row = traced.patterns[1][0, :, 5]
    assert torch.equal(row, torch.eye(6)[2].expand(2, 6))
    untouched = trace(model, model.embed(torch.arange(6).view(1, 6)))
    assert torch.equal(traced.patterns[1][0, :, :5], untouched.patterns[1][0, :, :5])
    assert torch.equal(traced.patterns[0], untouched.patterns[0])


def test_entropy_of_even_attention_is_log_n_and_of_one_source_zero() -> None:
    assert entropy(torch.full((8,), 1 / 8)) == pytest.approx(math.log(8))
    assert entropy(torch.eye(5)[2]) == 0


def test_the_mean_distance_by_hand() -> None:
    assert mean_distance(torch.tensor([0.5, 0.0, 0.25, 0.25])) == pytest.approx(1.75)


def test_the_overlap_of_two_rows_by_hand() -> None:
    a = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    b = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.9, 0.1]])
    assert overlap(a, b).tolist() == pytest.approx([0.75, 0.9])


def test_word_sums_worked_by_hand() -> None:
    pattern = torch.tensor([[1.0, 0, 0], [0.6, 0.4, 0], [0.2, 0.3, 0.5]])
    words = [Word("a", 0, 1), Word("bc", 1, 3)]
    expected = torch.tensor([[1.0, 0.0], [0.4, 0.6]])  # ((.6, .4) + (.2, .8)) / 2
    assert torch.allclose(word_pattern(pattern, words), expected)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_word_rows_sum_to_one(lengths: list[int]) -> None:
    n = sum(lengths)
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    words = [Word("w", end - length, end) for length, end in zip(lengths, ends, strict=True)]
    query, key = torch.randn(2, 1, 1, n, 4, generator=torch.Generator().manual_seed(n))
    pattern = attention_pattern(query, key)[0, 0]
    assert torch.allclose(word_pattern(pattern, words).sum(1), torch.ones(len(words)))
