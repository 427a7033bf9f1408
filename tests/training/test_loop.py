"""A run to its last step: what is learned, seen on the way, and resumed after it was stopped."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from looking_glass.gpt.checkpoint import weights_sha256
from looking_glass.gpt.generation import sample_tokens
from looking_glass.gpt.loss import mean_loss
from looking_glass.text.overlap import copied
from looking_glass.training.loop import Evaluation, train, train_in_sight
from looking_glass.training.processes import Processes
from looking_glass.training.resume import Scratch
from tests.helpers.training import noise, song, start


@pytest.mark.parametrize("softmax", ["full", "sampled"])
@pytest.mark.parametrize("tie", [True, False])
def test_a_circle_of_tokens_is_learned(softmax: str, tie: bool) -> None:
    run, seen = start(tie=tie, steps=120, softmax=softmax, discount=0.0), list[Evaluation]()
    history = train(run, on_evaluation=seen.append)
    assert history["val_loss"].iloc[-1] < 0.1
    assert [now.losses.step for now in seen] == list(range(10, 121, 10)) == history["step"].tolist()
    assert seen[-1].remaining == 0
    assert all(now.speed > 0 for now in seen)
    assert mean_loss(run.finish(), song().val) == pytest.approx(history["val_loss"].min(), rel=1e-4)


@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path: Path, softmax: str) -> None:
    whole = start(noise(), softmax=softmax)
    expected = train(whole)
    scratch = Scratch(tmp_path, "run")

    class KilledError(Exception):
        """Stands for whatever ends a process between two steps."""

    steps = 0

    def die() -> None:
        nonlocal steps
        steps += 1
        if steps == 25:  # five steps after the last state was saved
            raise KilledError

    with pytest.raises(KilledError):
        train(start(noise(), softmax=softmax), on_step=die, save=scratch.save)
    resumed = start(noise(), softmax=softmax)
    torch.manual_seed(77)  # a new process's generators are elsewhere
    state = scratch.load()
    assert state is not None
    resumed.load(state)
    assert resumed.done == 20
    pd.testing.assert_frame_equal(train(resumed), expected)
    assert weights_sha256(resumed.finish()) == weights_sha256(whole.finish())


def test_who_waits_sees_each_evaluation_and_only_the_first_process_speaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch = Scratch(tmp_path, "run")
    run = start()
    history = train_in_sight(run, scratch)
    lines = capsys.readouterr().out.splitlines()
    n = sum(parameter.numel() for parameter in run.learner.model.parameters())
    assert lines[0] == f"training {n:,} parameters on cpu for 30 steps"
    for line, (step, train_loss, val_loss, _) in zip(lines[1:], history.to_numpy(), strict=True):
        told = f"step {step:>5.0f}/30  train {train_loss:.3f}  val {val_loss:.3f} nats/token"
        assert line.startswith(told)
    state = scratch.load()
    assert state is not None
    assert state["done"] == 30

    class Second(Processes):
        def mean(self, number: float, device: torch.device) -> float:
            return number  # no other process is there to be asked

    scratch.clear()
    second = start()
    second.processes = Second(rank=1, size=2)
    train_in_sight(second, scratch)
    assert capsys.readouterr().out == ""
    assert scratch.load() is None


def test_a_text_learned_by_heart_is_written_word_for_word() -> None:
    """The circle of seven tokens, learned and not: what the metrics are there to tell apart."""

    def written(steps: int) -> list[list[int]]:
        run = start(steps=steps, discount=0.0, keep="last", warmup_steps=0)
        train(run)
        begin = torch.tensor([[0]] * 5)
        return sample_tokens(run.finish(), begin, 8, torch.Generator().manual_seed(0)).tolist()

    learned, unlearned = copied(written(200), song().train, 8), copied(written(1), song().train, 8)
    assert learned.ngram_share > 0.5
    assert learned.longest_run == 8
    assert unlearned.ngram_share == 0
