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
    by_forms = run.learner(tokens[:, :-1], tokens[:, 1:], run.learner.every_output())
    run.learner.fold()
    plain = mean_loss(run.learner.model, noise().val[:9])
    assert plain == pytest.approx(by_forms.item(), rel=1e-6)


def test_sampling_all_other_tokens_is_the_exact_softmax() -> None:
    run = start(noise())
    run.learner.eval()
    tokens, targets = run.batches.draw()
    exact = run.learner(tokens, targets, run.learner.every_output())
    n = len(run.learner.vocabulary.unseen)
    for drawn in (n, n + 7):
        outputs = run.learner.sampled_outputs(targets, drawn, torch.Generator().manual_seed(0))
        assert run.learner(tokens, targets, outputs).item() == pytest.approx(exact.item(), rel=1e-6)


def test_a_sample_holds_each_target_once_and_others_for_as_many_as_were_not_drawn() -> None:
    run = start(noise())
    vocabulary = run.learner.vocabulary
    _, targets = (ids[:1, :5] for ids in run.batches.draw())
    outputs = run.learner.sampled_outputs(targets, 7, torch.Generator().manual_seed(0))
    wanted = torch.unique(vocabulary.row_of[targets])
    n, S, U = len(wanted), len(vocabulary.seen), len(vocabulary.unseen)
    assert S - n > 7 < U, "there are more than are drawn"
    assert torch.equal(outputs.seen[:n], wanted)
    assert len(outputs.seen) == n + 7 == len(torch.unique(outputs.seen))
    assert len(outputs.forms) == 7
    assert torch.equal(outputs.weights[:n], torch.zeros(n))
    stand_for = outputs.weights[n:].exp()
    torch.testing.assert_close(stand_for[:7], torch.full((7,), (S - n) / 7))
    torch.testing.assert_close(stand_for[7:], torch.full((7,), U / 7))


def test_sampled_softmax_has_the_exact_denominator_in_expectation() -> None:
    run = start(noise())
    run.learner.eval()
    tokens, targets = (ids[:1, :1] for ids in run.batches.draw())
    # Of one target, exp(loss) is the denominator over a constant.
    exact = run.learner(tokens, targets, run.learner.every_output()).exp()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = torch.stack(
            [
                run.learner(tokens, targets, run.learner.sampled_outputs(targets, 4, generator))
                for _ in range(1500)
            ]
        )
    assert losses.std() > 1e-4, "a sample that never varies is none"
    assert losses.double().exp().mean().item() == pytest.approx(exact.item(), rel=1e-3)
