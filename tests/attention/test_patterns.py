"""Attention: patterns, rows and words as defined, and interventions that do what they say."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from looking_glass.attention.patterns import (
    attention_pattern,
    block_index,
    continue_prompt,
    entropy,
    rank_correlation,
    trace,
    word_pattern,
)
from looking_glass.pipeline.errors import InputError
from looking_glass.gpt.model import GPT
from looking_glass.text.tokenizer import Tokenizer, Word
from tests.conftest import make_model

TEN_WORDS = "Alice was beginning to get very tired of sitting by"


@pytest.fixture(scope="session")
def tokenizer(tables: tuple[Path, Path]) -> Tokenizer:
    return Tokenizer(*tables)


def test_a_case_of_two_tokens_worked_by_hand() -> None:
    # hs = 4, so scores are halved. q1·k0 = 2 ln 3 → 1/2 of it is ln 3; q1·k1 = 0.
    query = torch.tensor([[1.0, 0, 0, 0], [2 * math.log(3), 0, 0, 0]]).view(1, 1, 2, 4)
    key = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]).view(1, 1, 2, 4)
    expected = torch.tensor([[1.0, 0.0], [0.75, 0.25]])
    assert torch.allclose(attention_pattern(query, key)[0, 0], expected)


def test_tracing_changes_no_logit_and_rows_sum_to_one() -> None:
    model = make_model()
    tokens = torch.arange(12).view(1, 12) * 7
    traced = trace(model, tokens)
    assert torch.allclose(traced.logits, model(tokens), atol=1e-5)
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
        trace(model, tokens).patterns, trace(model, changed).patterns, strict=True
    ):
        assert torch.allclose(before[:, :, :8], after[:, :, :8], atol=1e-6)


def test_knocking_out_all_sources_but_one_leaves_it_everything() -> None:
    model = make_model()
    removed = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    removed[0, 0, 5, [0, 1, 3, 4, 5]] = True
    traced = trace(model, torch.arange(6).view(1, 6), {1: removed})
    row = traced.patterns[1][0, :, 5]
    assert torch.equal(row, torch.eye(6)[2].expand(2, 6))
    untouched = trace(model, torch.arange(6).view(1, 6))
    assert torch.equal(traced.patterns[1][0, :, :5], untouched.patterns[1][0, :, :5])
    assert torch.equal(traced.patterns[0], untouched.patterns[0])


def test_entropy_of_even_attention_is_log_n_and_of_one_source_zero() -> None:
    assert entropy(torch.full((8,), 1 / 8)) == pytest.approx(math.log(8))
    assert entropy(torch.eye(5)[2]) == 0


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


def test_the_eleventh_word_is_the_models_and_its_predictor_stands_before_it(
    tiny: GPT, tokenizer: Tokenizer
) -> None:
    sentence = continue_prompt(tiny, tokenizer, TEN_WORDS)
    assert [word.text for word in sentence.words[:9]] == TEN_WORDS.split()[:9]
    assert len(sentence.words) == 12
    assert sentence.words[-1].stop == len(sentence.tokens)
    assert sentence.eleventh.start == sentence.predicting + 1
    ids = torch.tensor([sentence.tokens])
    prompt = len(tokenizer.encode(TEN_WORDS))
    choices = tiny(ids)[0].argmax(-1).tolist()
    assert choices[prompt - 1 : -1] == sentence.tokens[prompt:], "greedy, every one"
    assert sentence.chosen == choices[sentence.predicting]


@pytest.mark.parametrize("n", [0, 1, 9, 11])
def test_a_prompt_of_another_length_is_refused(tiny: GPT, tokenizer: Tokenizer, n: int) -> None:
    prompt = " ".join(["word"] * n)
    with pytest.raises(InputError, match=rf"exactly 10 words are required.* got {n} "):
        continue_prompt(tiny, tokenizer, prompt)


def test_a_prompt_that_leaves_no_room_for_two_words_is_refused(tokenizer: Tokenizer) -> None:
    model = make_model(vocab_size=50_257, block_size=11)
    with pytest.raises(
        InputError, match=r"2 whole words after the 10 tokens of .* within a block of 11"
    ):
        continue_prompt(model, tokenizer, TEN_WORDS)
    with pytest.raises(InputError, match="within a block of 4"):
        continue_prompt(make_model(vocab_size=50_257, block_size=4), tokenizer, TEN_WORDS)


def test_first_and_last_are_the_ends() -> None:
    assert (block_index("first", 6), block_index("last", 6)) == (0, 5)
    assert block_index("last", 1) == 0


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=12))
def test_rank_correlation_equals_pandas(pairs: list[tuple[int, int]]) -> None:
    a, b = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found = rank_correlation(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert found is None
    else:
        expected = pd.Series(a).rank().corr(pd.Series(b).rank())
        assert found == pytest.approx(expected, abs=1e-9)
