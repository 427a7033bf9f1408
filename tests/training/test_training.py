"""Training: the weights that were asked for, and what a run is refused for."""

from __future__ import annotations

import pytest
import torch

from looking_glass.gpt.checkpoint import weights_sha256
from looking_glass.gpt.loss import mean_loss
from looking_glass.pipeline.errors import InputError
from looking_glass.text import sample
from looking_glass.training.loop import train
from looking_glass.training.training import Losses, Training
from tests.helpers.training import noise, song, start


def test_best_keeps_the_lowest_validation_loss_and_last_the_end() -> None:
    best = start(noise(), steps=100)
    losses = train(best)["val_loss"].to_numpy()
    assert best.kept_step == losses.argmin() * 10 + 10 < 100, "noise is not worth learning by heart"
    assert mean_loss(best.finish(), noise().val) == pytest.approx(losses.min(), rel=1e-5)
    last = start(noise(), steps=100, keep="last")
    losses = train(last)["val_loss"].to_numpy()
    assert last.kept_step == 100
    assert mean_loss(last.finish(), noise().val) == pytest.approx(losses[-1], rel=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    def bits(seed: int) -> str:
        run = start(seed=seed, softmax="sampled")
        train(run)
        return weights_sha256(run.finish())

    assert bits(1) == bits(1) != bits(2)


def test_the_softmax_does_not_change_which_batches_are_drawn() -> None:
    full, sampled = start(softmax="full"), start(softmax="sampled")
    for _ in range(3):
        full.step()
        sampled.step()
    for ours, theirs in zip(full.batches.draw(), sampled.batches.draw(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(softmax: str) -> None:
    def gradients(accumulate: int) -> dict[str, torch.Tensor]:
        run = start(dropout=0.0, discount=0.0, softmax=softmax, accumulate=accumulate)
        for _ in range(2):
            run.step()
        assert len(run.recent) == 2
        named = run.learner.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}

    whole, parts = gradients(1), gradients(4)
    assert len(whole) > 10
    assert max(gradient.abs().max().item() for gradient in whole.values()) > 1e-3
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-5, rtol=0, msg=name)


def test_a_batch_that_does_not_fall_into_equal_parts_is_refused() -> None:
    with pytest.raises(InputError, match=r"accumulate times .* got 8, 3 and 1: change one"):
        start(accumulate=3)


@pytest.mark.parametrize(("n_train", "n_val", "part"), [(8, 60, "training"), (60, 8, "validation")])
def test_a_text_shorter_than_a_block_is_refused(n_train: int, n_val: int, part: str) -> None:
    with pytest.raises(InputError, match=f"the {part} part .* 9 tokens, got 8"):
        start(song(n_train, n_val))


def test_a_loss_that_is_no_number_stops_training() -> None:
    with pytest.raises(InputError, match=r"got nan at step \d+: lower train.learning_rate"):
        train(start(learning_rate=100, matrix_rate=100, weight_decay=1e6))


def test_a_long_text_is_evaluated_on_as_much_of_either_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [len(run) for run in start(song(400, 60)).read_again] == [60], "whole: as before"
    monkeypatch.setattr(sample, "RUN", 20)
    monkeypatch.setattr(sample.sample_runs, "__defaults__", (40,))
    run = start(song(400, 60))
    assert [len(one) for one in run.held_out] == [20, 20]
    assert [len(one) for one in run.read_again] == [20, 20]
    losses = run_to_first_evaluation(run)
    assert losses.val == pytest.approx(mean_loss(run.learner.model, run.held_out))
    assert losses.train == pytest.approx(mean_loss(run.learner.model, run.read_again))


def run_to_first_evaluation(run: Training) -> Losses:
    run.step()
    losses = run.evaluate()
    run.learner.model.eval()
    return losses
