"""Tokens are drawn from the distribution asked for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from looking_glass.gpt.sampling import DIGITS, Sampling, draw_tokens
from tests.helpers.models import make_model, numbers

LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, 0.7, -0.2])
# The 0.999 quantiles of chi-square by degrees of freedom.
QUANTILES = {2: 13.82, 3: 16.27, 4: 18.47, 6: 22.46}


class Constant(torch.nn.Module):
    """An output layer that says the same whatever it is given."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, hidden: Tensor) -> Tensor:
        return self.logits.expand(len(hidden), -1)


def draws(logits: Tensor, n: int, sampling: Sampling) -> Tensor:
    model = make_model()
    model.lm_head = Constant(logits)  # type: ignore[assignment]
    return draw_tokens(model, torch.zeros(n, 8), numbers(n, 1)[:, 0], sampling).tokens


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.5),
        Sampling(temperature=2.0),
        Sampling(top_k=3),
        Sampling(top_p=0.8),
        Sampling(temperature=1.5, top_k=5, top_p=0.9),
    ],
)
def test_twenty_thousand_draws_follow_the_distribution(sampling: Sampling) -> None:
    # Hugging Face's warpers say what the distribution is.
    expected = LOGITS[None]
    if sampling.temperature != 1:
        expected = TemperatureLogitsWarper(sampling.temperature)(None, expected)
    if sampling.top_k:
        expected = TopKLogitsWarper(sampling.top_k)(None, expected)
    if sampling.top_p:
        expected = TopPLogitsWarper(sampling.top_p)(None, expected)
    probs = expected[0].softmax(-1)
    assert torch.allclose(sampling.logits(LOGITS).softmax(-1), probs, atol=1e-6)
    n, seen = 20_000, probs > 0
    counts = draws(LOGITS, n, sampling).bincount(minlength=7)
    assert counts[~seen].sum() == 0
    chi_square = ((counts - n * probs)[seen] ** 2 / (n * probs)[seen]).sum()
    assert chi_square < QUANTILES[int(seen.sum()) - 1]


def test_ties_at_the_kth_place_are_all_kept_and_one_token_is_always_left() -> None:
    logits = torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert Sampling(top_k=2).logits(logits).isfinite().tolist() == [True, True, True, False]
    assert Sampling(top_p=1e-9).logits(LOGITS).isfinite().sum() == 1


def test_a_number_at_either_end_finds_a_token_that_has_weight() -> None:
    model = make_model()
    logits = torch.full((60,), -torch.inf)
    logits[[7, 41]] = 0.0
    model.lm_head = Constant(logits)  # type: ignore[assignment]
    ends = torch.tensor([[0.0] * DIGITS, [1 - 1e-16] * DIGITS, [1.0] * DIGITS]).double()
    assert draw_tokens(model, torch.zeros(3, 8), ends, Sampling()).tokens.tolist() == [7, 41, 41]


def test_what_is_said_of_a_draw_is_that_of_its_distribution() -> None:
    model = make_model()
    hidden = torch.randn(20, 8)  # more than are worked on at once
    for sampling in (Sampling(), Sampling(temperature=0.7, top_k=9)):
        step = draw_tokens(model, hidden, numbers(20, 1)[:, 0], sampling)
        own = model.lm_head(hidden).double().log_softmax(-1)
        drawn_from = sampling.logits(model.lm_head(hidden)).double().softmax(-1)
        at = step.tokens[:, None]
        assert torch.allclose(step.log_probs, own.gather(1, at)[:, 0], atol=1e-5)
        from_ = drawn_from.gather(1, at)[:, 0].log()
        assert torch.allclose(step.sampling_log_probs, from_, atol=1e-5)
        assert torch.allclose(step.entropies, torch.special.entr(drawn_from).sum(-1), atol=1e-5)
