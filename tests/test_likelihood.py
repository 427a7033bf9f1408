"""Sampling draws what it says, and log-probabilities add up."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from looking_glass.errors import InputError
from looking_glass.likelihood import (
    LogprobParams,
    naive_product,
    sample,
    sampling_log_probs,
    sentence_length,
    token_log_probs,
    total,
)
from looking_glass.tokenizer import Tokenizer
from tests.conftest import make_model


def settings(**changes: object) -> LogprobParams:
    defaults = {"prompt": "", "seed": 1, "temperature": 1.0, "top_k": None, "max_tokens": 12}
    return LogprobParams.model_validate({**defaults, **changes})


def test_the_sum_is_minus_n_times_the_cross_entropy() -> None:
    model = make_model()
    ids = torch.arange(16) * 5
    own, ranks = token_log_probs(model, ids[:3].tolist(), ids[3:].tolist())
    logits = model(ids[None, :-1])[0, 2:]
    expected = -13 * F.cross_entropy(logits, ids[3:])
    assert own.sum().item() == pytest.approx(expected.item(), abs=1e-5)
    assert (own <= 0).all()
    by_sorting = [
        row.argsort(descending=True).tolist().index(token)
        for row, token in zip(logits, ids[3:].tolist(), strict=True)
    ]
    assert (ranks - 1).tolist() == by_sorting


@pytest.mark.parametrize("changes", [{}, {"temperature": 0.5}, {"top_k": 3}])
def test_what_was_recorded_while_sampling_equals_rescoring(changes: dict[str, float]) -> None:
    model = make_model()
    drawn = sample(model, [4, 8], settings(**changes))
    own, ranks = token_log_probs(model, [4, 8], drawn.tokens)
    assert torch.allclose(own, drawn.log_probs, atol=1e-5)
    if not changes:
        assert torch.allclose(drawn.sampling_log_probs, own, atol=1e-5)
    else:
        assert not torch.allclose(drawn.sampling_log_probs, own, atol=1e-3)
    if "top_k" in changes:
        assert ranks.max() <= 3


def test_the_seed_decides_and_no_one_else() -> None:
    model = make_model()
    first = sample(model, [4], settings()).tokens
    torch.manual_seed(99)
    assert sample(model, [4], settings()).tokens == first
    assert sample(model, [4], settings(seed=2)).tokens != first
    greedy = [int(model(torch.tensor([[4, *first[:i]]]))[0, -1].argmax()) for i in range(12)]
    assert first != greedy, "a sample is no greedy text"


@pytest.mark.parametrize(
    ("temperature", "top_k"), [(1.0, None), (0.5, None), (2.0, None), (1.0, 3)]
)
def test_draws_follow_the_distribution(temperature: float, top_k: int | None) -> None:
    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0])
    weights = [math.exp(value / temperature) for value in logits.tolist()]
    if top_k:
        weights = [*weights[:top_k], *([0.0] * (5 - top_k))]
    expected = torch.tensor(weights) / sum(weights)
    log_probs = sampling_log_probs(logits, temperature=temperature, top_k=top_k)
    assert torch.allclose(log_probs.exp(), expected, atol=1e-6)
    n = 100_000
    generator = torch.Generator().manual_seed(0)
    counts = torch.multinomial(log_probs.exp(), n, replacement=True, generator=generator).bincount(
        minlength=5
    )
    seen = expected > 0
    assert counts[~seen].sum() == 0
    chi_square = ((counts - n * expected)[seen] ** 2 / (n * expected)[seen]).sum()
    assert chi_square < 18.47, "the 0.999 quantile for four degrees of freedom"


def test_a_prompt_is_required_and_must_leave_room() -> None:
    model = make_model()
    with pytest.raises(InputError, match="at least one token is required"):
        sample(model, [], settings())
    assert len(sample(model, [1] * 5, settings(max_tokens=12)).tokens) == 12
    with pytest.raises(InputError, match="must fit in a block of 16"):
        sample(model, [1] * 6, settings(max_tokens=12))
    with pytest.raises(ValueError, match="a context is required"):
        token_log_probs(model, [], [1, 2])


def test_units_of_one_total() -> None:
    result = total(torch.tensor([math.log(1 / 2), math.log(1 / 8)]))
    assert result.bits == pytest.approx(-4)
    assert result.nats == pytest.approx(-4 * math.log(2))
    assert result.log10 == pytest.approx(math.log10(1 / 16))
    assert result.nats_per_token == pytest.approx(-2 * math.log(2))
    assert result.perplexity == pytest.approx(4)


def test_the_naive_product_underflows_where_float32_ends() -> None:
    # 10^-9 five times is 10^-45, below half of the smallest number that float32 can hold.
    product, first_zero = naive_product(torch.full((8,), math.log(1e-9)))
    assert (product, first_zero) == (0.0, 6) or first_zero == 5
    assert total(torch.full((8,), math.log(1e-9))).log10 == pytest.approx(-72, rel=1e-6)
    product, first_zero = naive_product(torch.tensor([math.log(0.5)] * 3))
    assert product == pytest.approx(0.125)
    assert first_zero is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("She ran. Then she", "She ran."),
        ("'Oh dear!' said Alice.", "'Oh dear!'"),
        ("no end at all", "no end at all"),
        ("\n\nShe ran\n\nThen", "\n\nShe ran"),
        ("\n\n'Why,' she\n\n'Oh!'", "\n\n'Why,' she"),
        ("Why?", "Why?"),
    ],
)
def test_where_a_sentence_ends(tables: tuple[Path, Path], text: str, sentence: str) -> None:
    tokenizer = Tokenizer(*tables)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens[: sentence_length(tokenizer, tokens)]) == sentence
