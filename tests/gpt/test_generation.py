"""Text that a model writes: greedily, or drawn from its own distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.gpt.generation import (
    continue_greedily,
    generate_greedy,
    sample_after,
    sample_tokens,
)
from tests.helpers.models import make_model


def test_every_token_is_the_most_probable_after_all_before_it() -> None:
    model = make_model()
    prompt = torch.tensor([[3, 60, 8], [1, 2, 90]])
    written = generate_greedy(model, model.embed(prompt), 5)
    whole = torch.cat([prompt, written], dim=1)
    assert torch.equal(model(whole)[:, 2:-1].argmax(-1), written)


def test_samples_are_drawn_from_the_models_own_distribution() -> None:
    model = make_model(vocab_size=5)
    drawn = sample_tokens(model, torch.full((4000, 1), 3), 2, torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 2)
    first = model(torch.tensor([[3]]))[0, -1].softmax(-1)
    shares = torch.bincount(drawn[:, 0], minlength=5) / 4000
    torch.testing.assert_close(shares, first, atol=0.03, rtol=0)
    favourite = int(first.argmax())
    second = model(torch.tensor([[3, favourite]]))[0, -1].softmax(-1)
    after = drawn[drawn[:, 0] == favourite, 1]
    shares = torch.bincount(after, minlength=5) / len(after)
    torch.testing.assert_close(shares, second, atol=0.06, rtol=0)


def test_samples_follow_tokens_of_the_text_and_fit_in_the_block() -> None:
    model = make_model()
    text = np.array([7, 7, 7], dtype=np.uint16)
    samples = sample_after(model, text, 4, 64, seed=1)
    assert [len(sample) for sample in samples] == [16] * 4
    generator = torch.Generator().manual_seed(1)
    torch.randint(3, (4, 1), generator=generator)  # the places, which are all alike here
    expected = sample_tokens(model, torch.full((4, 1), 7), 16, generator)
    assert samples == expected.tolist()
    assert samples != sample_after(model, text, 4, 64, seed=2)


def test_the_same_generator_draws_the_same_samples() -> None:
    model, start = make_model(), torch.tensor([[1], [2]])
    one, same, other = (
        sample_tokens(model, start, 15, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_text_is_continued_as_if_all_of_it_were_read_anew_for_each_token() -> None:
    model, prompt = make_model(), [3, 60]
    plain = generate_greedy(model, model.embed(torch.tensor([prompt])), 14)[0].tolist()
    assert continue_greedily(model, prompt, 14, lambda _: False) == prompt + plain
    asked: list[int] = []

    def enough(made: list[int]) -> bool:
        asked.append(len(made))
        return True

    assert continue_greedily(model, prompt, 14, enough) == prompt + plain[:8]
    assert asked == [10], "every eight tokens"
    assert continue_greedily(model, prompt, 0, enough) == prompt
    with pytest.raises(ValueError, match="at most block_size 16 positions"):
        continue_greedily(model, prompt, 17, lambda _: False)
