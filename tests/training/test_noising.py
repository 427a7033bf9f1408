"""Noise on input tokens: rates and draws as Kneser and Ney count."""

from __future__ import annotations

import numpy as np
import torch

from looking_glass.training.noising import Noising

# 0 is followed by 1, 1, 2; 1 by 0, 0; 2 by 3.
TEXT = np.array([0, 1, 0, 1, 0, 2, 3], dtype=np.uint16)


def test_rates_are_different_followers_over_occurrences() -> None:
    noising = Noising(TEXT, vocab_size=5, share=0.5, seed=1)
    expected = torch.tensor([2 / 3, 1 / 2, 1.0, 0.0, 0.0]) * 0.5
    assert torch.allclose(noising.rate, expected)


def test_what_comes_in_is_drawn_by_how_many_tokens_it_follows() -> None:
    noising = Noising(TEXT, vocab_size=5, share=1.0, seed=1)
    drawn = noising(torch.full((40_000,), 2))  # a token that is always replaced
    shares = torch.bincount(drawn, minlength=5) / len(drawn)
    # Before them stand: 0 ← {1}, 1 ← {0}, 2 ← {0}, 3 ← {2}.
    assert torch.allclose(shares, torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0]), atol=0.01)


def test_no_noise_leaves_all_and_a_seed_gives_the_same() -> None:
    tokens = torch.randint(4, (8, 16))
    assert torch.equal(Noising(TEXT, vocab_size=5, share=0.0, seed=1)(tokens), tokens)
    twice = [Noising(TEXT, vocab_size=5, share=0.7, seed=3)(tokens) for _ in range(2)]
    assert torch.equal(*twice)
    assert not torch.equal(twice[0], tokens)
