"""Train a language model on one text, and keep the weights that validation prefers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from looking_glass.corpus import Corpus, Tokens
from looking_glass.errors import InputError
from looking_glass.model import GPT
from looking_glass.params import Section

EVALUATION_BATCH = 8  # blocks: 8 x 64 positions of 50,257 logits are 103 MB
State = dict[str, Tensor]


class TrainParams(Section):
    """Section `train`."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    grad_clip: float = Field(gt=0)
    softmax: Literal["full", "sampled"]
    sampled_tokens: int = Field(ge=1)
    evaluate_every: int = Field(ge=1)
    keep: Literal["best", "last"]

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> TrainParams:
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps must be below steps, got {self.warmup_steps} and {self.steps}"
            )
        return self


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was known after `step` updates. Losses in nats/token, speed in tokens/s, time in s."""

    step: int
    train_loss: float  # mean over the batches since the evaluation before, dropout on
    val_loss: float
    speed: float
    remaining: float


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The weights to keep, and the way to them."""

    state: State
    step: int  # updates after which `state` was taken
    history: pd.DataFrame  # columns step, train_loss, val_loss


class Batches:
    """Random blocks of the training text, from a generator of their own."""

    def __init__(self, tokens: Tokens, *, block_size: int, batch_size: int, seed: int) -> None:
        self._tokens = torch.from_numpy(tokens.astype(np.int64))
        self._offsets = torch.arange(block_size + 1)
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Return inputs and targets, each (B, T): a target is the token after its input."""
        last_start = len(self._tokens) - len(self._offsets)
        starts = torch.randint(last_start + 1, (self._batch_size, 1), generator=self._generator)
        blocks = self._tokens[starts + self._offsets]  # (B, T + 1)
        return blocks[:, :-1], blocks[:, 1:]


class FullSoftmax:
    """Cross-entropy over the whole vocabulary."""

    def __call__(self, model: GPT, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss in nats/token of (B, T) targets."""
        logits = model(tokens)  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class SampledSoftmax:
    """Cross-entropy over the training text's own tokens and a random sample of all others.

    The tokens of the text are computed exactly. Of the n others, m are drawn anew each step, with
    log(n/m) added to their logits: the softmax's denominator is then right in expectation.
    Source: Bengio & Senécal 2008, Adaptive importance sampling, with a uniform proposal.
    """

    def __init__(self, tokens: Tokens, *, vocab_size: int, n_sampled: int, seed: int) -> None:
        seen = np.unique(tokens).astype(np.int64)
        self._seen = torch.from_numpy(seen)
        self._unseen = torch.from_numpy(np.setdiff1d(np.arange(vocab_size), seen))
        self._row = torch.full((vocab_size,), -1)
        self._row[self._seen] = torch.arange(len(seen))
        self._n_sampled = min(n_sampled, len(self._unseen))
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, model: GPT, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the estimated mean loss in nats/token of (B, T) targets."""
        n = len(self._unseen)
        drawn = torch.randperm(n, generator=self._generator)[: self._n_sampled]
        rows = torch.cat([self._seen, self._unseen[drawn]]).to(tokens.device)
        hidden = model.hidden(model.embed(tokens)).flatten(0, 1)  # (B T, C)
        logits = hidden @ model.lm_head.weight[rows].t()  # (B T, seen + sampled)
        if self._n_sampled:
            correction = logits.new_zeros(len(rows))
            correction[len(self._seen) :] = math.log(n / self._n_sampled)
            logits = logits + correction
        return F.cross_entropy(logits, self._row[targets.cpu()].flatten().to(logits.device))


@torch.no_grad()
def mean_loss(model: GPT, tokens: Tokens) -> float:
    """Return the mean of -log p in nats/token over all of `tokens` but the first.

    The text is read in blocks that do not overlap, so that a block's first token has one token of
    context. The model is put in eval mode for this, and back. Exact: over the whole vocabulary.
    """
    was_training = model.training
    model.eval()
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    total = 0.0
    for inputs, targets in _blocks(ids, model.config.block_size):
        logits = model(inputs).flatten(0, 1)
        total += F.cross_entropy(logits, targets.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (len(ids) - 1)


def _blocks(ids: Tensor, block_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets that cover ids[1:] once: batches of blocks, then the short rest."""
    n_whole = (len(ids) - 1) // block_size
    whole = n_whole * block_size
    inputs, targets = ids[:whole].view(-1, block_size), ids[1 : whole + 1].view(-1, block_size)
    for start in range(0, n_whole, EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        yield inputs[batch], targets[batch]
    if whole < len(ids) - 1:
        yield ids[None, whole:-1], ids[None, whole + 1 :]


def learning_rate_at(step: int, params: TrainParams) -> float:
    """Return the rate for update `step` (from 0): linear warm-up, then a cosine to a tenth."""
    if step < params.warmup_steps:
        return params.learning_rate * (step + 1) / params.warmup_steps
    progress = (step - params.warmup_steps) / (params.steps - params.warmup_steps)
    return params.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))


def make_optimizer(model: GPT, params: TrainParams) -> torch.optim.Optimizer:
    """Return AdamW: matrices and embeddings decay, biases and LayerNorms do not."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, betas=(0.9, 0.99), fused=True)


def check_lengths(corpus: Corpus, block_size: int) -> None:
    """Raise `InputError` unless both parts of the text hold a block and its targets."""
    for name, tokens in (("training", corpus.train), ("validation", corpus.val)):
        if len(tokens) < block_size + 1:
            raise InputError(
                f"the {name} part of the text must hold model.block_size + 1 = {block_size + 1} "
                f"tokens, got {len(tokens)}: take a longer text or a smaller block"
            )


@dataclass(kw_only=True)
class _Keeper:
    """The weights to return: those with the lowest validation loss so far, or the newest."""

    rule: Literal["best", "last"]
    step: int = 0
    loss: float = math.inf
    state: State = field(default_factory=dict)

    def see(self, model: GPT, step: int, loss: float) -> None:
        if self.rule == "last" or loss < self.loss:
            self.step, self.loss = step, loss
            self.state = {name: t.detach().cpu().clone() for name, t in model.state_dict().items()}


def train(
    model: GPT,
    corpus: Corpus,
    params: TrainParams,
    *,
    on_step: Callable[[], object] = lambda: None,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Trained:
    """Train `model` in place by `params`; return the weights to keep and the losses on the way.

    Raises `InputError` when a part of the text is shorter than a block, or the loss is no number.
    """
    block_size = model.config.block_size
    check_lengths(corpus, block_size)
    batches = Batches(
        corpus.train, block_size=block_size, batch_size=params.batch_size, seed=params.seed
    )
    loss_of = make_loss(model, corpus.train, params)
    optimizer = make_optimizer(model, params)
    keeper = _Keeper(rule=params.keep)
    rows: list[tuple[int, float, float]] = []
    recent: list[float] = []
    started, paused = time.monotonic(), 0.0  # evaluations do not count as training time
    model.train()
    for step in range(1, params.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step - 1, params)
        inputs, targets = (ids.to(model.device) for ids in batches.draw())
        loss = loss_of(model, inputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), params.grad_clip)
        optimizer.step()
        recent.append(_finite(loss.item(), step))
        on_step()
        if step % params.evaluate_every == 0 or step == params.steps:
            paused_at = time.monotonic()
            val_loss = _finite(mean_loss(model, corpus.val), step)
            keeper.see(model, step, val_loss)
            rows.append((step, sum(recent) / len(recent), val_loss))
            recent.clear()
            seconds = paused_at - started - paused
            paused += time.monotonic() - paused_at
            on_evaluation(
                Evaluation(
                    step=step,
                    train_loss=rows[-1][1],
                    val_loss=val_loss,
                    speed=step * inputs.numel() / seconds,
                    remaining=(params.steps - step) * (seconds + paused) / step,
                )
            )
    history = pd.DataFrame(rows, columns=["step", "train_loss", "val_loss"])
    return Trained(state=keeper.state, step=keeper.step, history=history)


def make_loss(
    model: GPT, tokens: Tokens, params: TrainParams
) -> Callable[[GPT, Tensor, Tensor], Tensor]:
    """Return the training loss that `params.softmax` names."""
    if params.softmax == "full":
        return FullSoftmax()
    # A seed of its own: the batches must not depend on how the softmax is computed.
    return SampledSoftmax(
        tokens,
        vocab_size=model.config.vocab_size,
        n_sampled=params.sampled_tokens,
        seed=params.seed + 1,
    )


def _finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss must stay a number, got {loss} at step {step}: lower train.learning_rate"
        )
    return loss
