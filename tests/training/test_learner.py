"""The training loss: that of the plain model, exactly or in expectation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.gpt.loss import mean_loss
from tests.helpers.training import noise, start


@pytest.mark.parametrize("tie", [True, False])
def test_the_loss_by_forms_is_that_of_the_plain_model(tie: bool) -> None:
    run = start(noise(), tie)
    for table in (run.learner.inputs, run.learner.outputs):
        table.individual.zero_()  # what tells tokens of one form apart is not learned
    for _ in range(5):
        run.step()
    run.learner.eval()
    tokens = torch.from_numpy(noise().val.astype(np.int64))[None, :9]
    assert not torch.isin(tokens, run.learner.vocabulary.seen).all()
    by_forms = run.learner(tokens[:, :-1], tokens[:, 1:], *run.learner.every_other_form())
    run.learner.fold()
    plain = mean_loss(run.learner.model, noise().val[:9])
    assert plain == pytest.approx(by_forms.item(), rel=1e-6)


def test_sampling_all_other_tokens_is_the_exact_softmax() -> None:
    run = start(noise())
    run.learner.eval()
    tokens, targets = run.batches.draw()
    exact = run.learner(tokens, targets, *run.learner.every_other_form())
    n = len(run.learner.vocabulary.unseen)
    for drawn in (n, n + 7):
        sampled = run.learner.sampled_forms(drawn, torch.Generator().manual_seed(0))
        assert run.learner(tokens, targets, *sampled).item() == pytest.approx(
            exact.item(), rel=1e-6
        )


def test_sampled_softmax_has_the_exact_denominator_in_expectation() -> None:
    run = start(noise())
    run.learner.eval()
    tokens, targets = (ids[:1, :1] for ids in run.batches.draw())
    # Of one target, exp(loss) is the denominator over a constant.
    exact = run.learner(tokens, targets, *run.learner.every_other_form()).exp()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = torch.stack(
            [
                run.learner(tokens, targets, *run.learner.sampled_forms(4, generator))
                for _ in range(1500)
            ]
        )
    assert losses.std() > 1e-4, "a sample that never varies is none"
    assert losses.double().exp().mean().item() == pytest.approx(exact.item(), rel=1e-3)
