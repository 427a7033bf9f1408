"""Learn input vectors that make a frozen model say a given sentence.

Several restarts are learned side by side as the batch dimension B; none knows of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.inversion.params import Objective, ReadingParams
from looking_glass.inversion.readings import target_hidden
from looking_glass.inversion.restarts import Restarts
from looking_glass.inversion.shortlist import Shortlist
from looking_glass.pipeline.errors import InputError

CHECK_EVERY = 20  # steps
POWER = 6  # of the norm that stands for the worst of several shortfalls
LEAST_SHORTFALL = 1e-6  # logits: below that a token asks for nothing more
TRIED = 0.4  # of the steps, after which each restart goes on from the best of its starts


@dataclass(frozen=True)
class Inversion:
    """What optimising found: the vectors, and how every restart got there."""

    vectors: Tensor  # (B, k, C), or (B, n, C) for the parallel reading
    drawn: Tensor  # the same shape: the vectors before the first step
    steps: Tensor  # (checks,): updates made before each check; the last is after all of them
    log_probs: Tensor  # (checks, B, n) nats: of each target token
    largest: Tensor  # (checks, B, n) bool: the target's logit was the largest
    first: Tensor  # (checks, B, n): the token whose logit was

    @property
    def losses(self) -> Tensor:
        """(checks, B) nats/token."""
        return -self.log_probs.mean(dim=2)

    @property
    def first_exact_step(self) -> Tensor:
        """(B,): updates made when a check first found all target logits the largest, or -1."""
        return self._first(self.largest.all(dim=2))

    @property
    def first_right_step(self) -> Tensor:
        """(B, n): updates made when a check first found each target's logit the largest, or -1."""
        return self._first(self.largest)

    def _first(self, table: Tensor) -> Tensor:
        return torch.where(table.any(dim=0), self.steps[table.int().argmax(dim=0)], -1)


def initial_vectors(
    model: GPT, restarts: int, k: int, *, noise: float, generator: torch.Generator
) -> Tensor:
    """Return (restarts, k, C) vectors: the mean token embedding plus Gaussian noise.

    The noise has the embeddings' own standard deviation in each channel, times `noise`;
    `benchmarks/inversion.py` compares several.
    """
    embeddings = model.transformer.wte.weight
    mean, std = embeddings.mean(dim=0), embeddings.std(dim=0)  # (C,), (C,)
    draw = torch.randn(restarts, k, len(mean), generator=generator).to(model.device)
    return mean + noise * std * draw


def invert(
    model: GPT,
    target: Tensor,
    vectors: Tensor,
    params: ReadingParams,
    *,
    parallel: bool,
    objective: Objective = "cross_entropy",
    starts: int = 1,
    on_step: Callable[[], object] = lambda: None,
) -> Inversion:
    """Minimise an objective of `target` (n,) over `vectors`; the model stays as it is.

    It is the mean over tokens of their cross-entropy, or nearly the largest of what each lacks to
    lead by a margin. Cross-entropy has the sentence as probable as can be, and for that trades a
    token that will not come for many that come more surely; the margin asks of each to come, no
    more, and of the one that is furthest from it first.

    Of `vectors` (B · `starts`, k, C) each `starts` in a row are one restart's: after a part of the
    steps it goes on from the one with the smallest objective, and the others are as if they had
    never been.

    Adam with a rate that falls to zero along a cosine. Every `CHECK_EVERY` steps, and at the end,
    the whole vocabulary is computed; in between only its `Shortlist`, three quarters of the work
    being the output layer. Cross-entropy goes on past the first exact match. By the margin a
    restart is done when a check finds that every token has it: nothing pulls at its vectors then.
    Raises `InputError` when a state is no number any more.
    """
    restarts = Restarts(vectors, params)
    checks = [*range(0, params.steps, CHECK_EVERY), params.steps]
    tried = round(TRIED * params.steps) if starts > 1 else -1
    costs = torch.arange(len(vectors), device=vectors.device)  # of those not tried the first

    def look() -> Shortlist:
        return _look(model, restarts.vectors, target, step, objective, parallel=parallel)

    for step in range(params.steps):
        if step == tried:
            restarts.keep(_best(costs, starts))
            shortlist = look()
        if step == checks[len(restarts.seen)]:
            shortlist = look()
            restarts.see(shortlist)
            if objective == "margin" and step > tried and (done := shortlist.all_lead()).any():
                restarts.release(done)
                if done.all():
                    break
                shortlist = look()
        hidden = target_hidden(model, restarts.vectors, target, parallel=parallel)  # (A, n, C)
        costs = _costs(shortlist, hidden, objective)  # (A,)
        restarts.step(costs.sum())
        on_step()
    else:
        step = params.steps
        restarts.see(look())
    for _ in range(step, params.steps):
        on_step()
    restarts.see_no_more(len(checks))
    told = (torch.stack(column) for column in zip(*restarts.seen, strict=True))
    return Inversion(restarts.all_vectors(), restarts.drawn, torch.tensor(checks), *told)


@torch.no_grad()
def _look(
    model: GPT, vectors: Tensor, target: Tensor, step: int, objective: Objective, *, parallel: bool
) -> Shortlist:
    """Return what is seen over the whole vocabulary after `step` updates."""
    hidden = target_hidden(model, vectors, target, parallel=parallel)
    _check_finite(hidden, step, parallel=parallel)
    return Shortlist(model, hidden, target, tangent=objective == "cross_entropy")


def _costs(shortlist: Shortlist, hidden: Tensor, objective: Objective) -> Tensor:
    """Return what each restart is to make small, at states (B, n, C): (B,)."""
    if objective == "margin":
        short = shortlist.shortfalls(hidden).clamp(min=LEAST_SHORTFALL)
        return short.pow(POWER).sum(dim=1).pow(1 / POWER)
    return shortlist.losses(hidden).mean(dim=1)


def _best(costs: Tensor, starts: int) -> Tensor:
    """Return which is the best of every `starts` in a row: (B · starts,) → (B,)."""
    best = costs.view(-1, starts).argmin(dim=1)
    return best + starts * torch.arange(len(best), device=best.device)


def _check_finite(hidden: Tensor, step: int, *, parallel: bool) -> None:
    if not torch.isfinite(hidden).all():
        key = "parallel" if parallel else "prefix"
        raise InputError(
            f"invert.{key}.learning_rate: the model's states must stay numbers, they are not after "
            f"{step} steps: lower it or invert.init_noise"
        )
