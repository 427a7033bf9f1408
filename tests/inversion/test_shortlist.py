"""The loss over a short list beside that over the whole vocabulary."""

from __future__ import annotations

import math

import pytest
import torch

from looking_glass.inversion import shortlist
from looking_glass.inversion.shortlist import Shortlist
from tests.helpers.models import make_model

TARGET = torch.tensor([5, 90, 17, 5, 33])


@pytest.mark.parametrize("longest", [6, 20, 97])
def test_a_short_list_gives_the_loss_and_gradient_of_the_whole_vocabulary(
    longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "MOST_TOKENS", longest)
    model = make_model(n_embd=32)
    hidden = torch.randn(3, len(TARGET), 32).requires_grad_(True)
    kept = Shortlist(model, hidden.detach(), TARGET)
    logits = model.lm_head(hidden).flatten(0, 1)
    exact = torch.nn.functional.cross_entropy(logits, TARGET.repeat(3), reduction="none")
    losses = kept.losses(hidden).flatten()
    # Where they were taken the others' tangent touches: value and slope are exact.
    torch.testing.assert_close(losses, exact, atol=1e-4, rtol=1e-4)
    expected = torch.autograd.grad(exact.sum(), hidden)
    torch.testing.assert_close(torch.autograd.grad(losses.sum(), hidden), expected)
    torch.testing.assert_close(kept.log_probs.flatten(), -exact.detach())
    assert torch.equal(kept.largest.flatten(), logits.argmax(-1) == TARGET.repeat(3))


@pytest.mark.parametrize("longest", [6, 20, 97])
def test_a_shortfall_is_what_a_token_lacks_to_lead_by_the_margin(
    longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "MOST_TOKENS", longest)
    model = make_model(n_embd=32)
    hidden = (5 * torch.randn(40, len(TARGET), 32)).requires_grad_(True)
    kept = Shortlist(model, hidden.detach(), TARGET)
    found = kept.shortfalls(hidden)
    logits, at = (hidden @ kept.rows.t()).detach(), kept.labels[..., None]
    assert torch.equal(kept.rows[kept.labels], model.lm_head.weight[TARGET].expand(40, -1, -1))
    best = logits.scatter(-1, at, -torch.inf).amax(dim=-1)
    gaps = logits.gather(-1, at)[..., 0] - best
    lacking = (shortlist.MARGIN - gaps).clamp(min=0)
    assert (found >= lacking - 1e-5).all(), "a bound from above"
    assert (found - lacking).max() < math.log(longest) / shortlist.SHARPNESS
    there = gaps > shortlist.MARGIN + 1
    assert there.any()
    assert (found[there] == 0).all()
    (slopes,) = torch.autograd.grad(found.sum(), hidden)
    assert (slopes[there] == 0).all(), "what leads is left alone"
    assert (slopes[gaps < 0].norm(dim=-1) > 0).all()
