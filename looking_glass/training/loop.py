"""Take a run to its last step, in sight of whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from looking_glass.training.resume import Scratch
from looking_glass.training.training import Losses, State, Training


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The losses, and how fast it goes."""

    losses: Losses
    speed: float  # tokens a second
    remaining: float  # seconds


def train(
    run: Training,
    *,
    on_step: Callable[[], object] = lambda: None,
    on_evaluation: Callable[[Evaluation], object] = lambda evaluation: None,
    save: Callable[[State], object] = lambda state: None,
) -> pd.DataFrame:
    """Take `run` to its last step; return its history: step, train_loss, val_loss, batch_loss.

    After each evaluation `save` gets the state to go on from.
    """
    params, first = run.params, run.done
    tokens_per_step = params.batch_size * run.learner.model.config.block_size
    started, evaluating = time.monotonic(), 0.0
    while run.done < params.steps:
        run.step()
        on_step()
        if run.done % params.evaluate_every == 0 or run.done == params.steps:
            stopped = time.monotonic()
            losses = run.evaluate()
            save(run.state())
            now = time.monotonic()
            training = stopped - started - evaluating
            evaluating += now - stopped
            on_evaluation(
                Evaluation(
                    losses=losses,
                    speed=(run.done - first) * tokens_per_step / training,
                    remaining=(params.steps - run.done) * (now - started) / (run.done - first),
                )
            )
    columns = ["step", "train_loss", "val_loss", "batch_loss"]
    return pd.DataFrame(run.history, columns=columns)


def train_in_sight(run: Training, scratch: Scratch) -> pd.DataFrame:
    """Train with a progress bar on a terminal, and a line at each evaluation anywhere.

    Of several processes only the first is seen, and only it saves where to go on.
    """
    if not run.processes.first:
        return train(run)
    n = sum(parameter.numel() for parameter in run.learner.model.parameters())
    total = run.params.steps
    if run.done:
        print(f"going on from step {run.done}, where an unfinished run of the same was stopped")
    print(f"training {n:,} parameters on {run.learner.model.device} for {total} steps")
    with tqdm(total=total, initial=run.done, unit="step", disable=None) as bar:

        def show(now: Evaluation) -> None:
            minutes, seconds = divmod(round(now.remaining), 60)
            bar.write(
                f"step {now.losses.step:>5}/{total}  train {now.losses.train:.3f}  "
                f"val {now.losses.val:.3f} nats/token  {now.speed:,.0f} tokens/s  "
                f"{minutes}:{seconds:02} left"
            )

        return train(run, on_step=bar.update, on_evaluation=show, save=scratch.save)
