"""A run of training: the model that learns, and all that decides how it goes on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Corpus
from looking_glass.text.sample import Text, n_tokens, sample_runs
from looking_glass.training.acceleration import autocast, compile_blocks, uncompiled
from looking_glass.training.batches import Batches
from looking_glass.training.learner import Learner, Outputs
from looking_glass.training.noising import Noising
from looking_glass.training.optimizer import make_optimizers, set_rates
from looking_glass.training.params import TrainParams
from looking_glass.training.processes import ALONE, Processes, without_exchange
from looking_glass.training.token_table import Vocabulary

State = dict[str, Any]


def check_lengths(corpus: Corpus, block_size: int) -> None:
    """Raise `InputError` unless both parts of the text hold a block and its targets."""
    for name, tokens in (("training", corpus.train), ("validation", corpus.val)):
        if len(tokens) < block_size + 1:
            raise InputError(
                f"the {name} part of the text must hold model.block_size + 1 = {block_size + 1} "
                f"tokens, got {len(tokens)}: take a longer text or a smaller block"
            )


def check_shares(params: TrainParams, processes: Processes) -> None:
    """Raise `InputError` unless a batch falls into equal parts, so many in each process."""
    if params.batch_size % (processes.size * params.accumulate):
        raise InputError(
            "train.batch_size must be divisible by train.accumulate times the number of processes, "
            f"got {params.batch_size}, {params.accumulate} and {processes.size}: change one of them"
        )


def check_sample(params: TrainParams, vocab_size: int) -> None:
    """Raise `InputError` when more tokens are to be drawn than there are."""
    if params.sampled_tokens > vocab_size:
        raise InputError(
            f"train.sampled_tokens: at most the vocabulary, {vocab_size} tokens, is required, got "
            f"{params.sampled_tokens}: lower it, or set train.softmax to full"
        )


class Losses(NamedTuple):
    """What was known after `step` updates, in nats/token."""

    step: int
    train: float  # of the plain model, on as much of the training text as of the held-out text
    val: float  # of the plain model, on the held-out text, or the sample of a long one
    batch: float  # mean over the batches since the evaluation before, with dropout and noise


class Training:
    """A run that can be stopped after any step, and go on from its `state` to the same bits."""

    def __init__(
        self,
        model: GPT,
        corpus: Corpus,
        vocabulary: Vocabulary,
        params: TrainParams,
        processes: Processes = ALONE,
        *,
        pretrained: bool = False,
        free_channels: int = 0,
    ) -> None:
        """Prepare to train `model` in place; `vocabulary` is that of the training text.

        Its embedding is drawn anew unless it is `pretrained`, when the vocabulary's tokens must be
        `apart`; the first `free_channels` of the token rows start at zero.

        Dropout draws from the global generator. Raises `InputError` when a part of the text is
        shorter than a block, or a batch cannot be shared out.
        """
        block_size = model.config.block_size
        check_lengths(corpus, block_size)
        check_shares(params, processes)
        check_sample(params, corpus.vocab_size)
        self.params = params
        self.processes = processes
        self.corpus = corpus
        self.learner = Learner(
            model,
            vocabulary,
            discount=params.discount,
            pretrained=pretrained,
            free_channels=free_channels,
        ).to(model.device)
        if params.compile:
            compile_blocks(model)
        self.forward = processes.wrap(self.learner)
        self.optimizers = make_optimizers(self.learner, params)
        self.batches = Batches(
            corpus.train, block_size=block_size, batch_size=params.batch_size, seed=params.seed
        )
        # Generators of their own: the batches must not depend on the softmax or the noise.
        self.sampler = torch.Generator().manual_seed(params.seed + 1)
        self.noising = Noising(
            corpus.train,
            vocab_size=corpus.vocab_size,
            share=params.noise,
            seed=params.seed + 2,
        )
        self.done = 0
        self.held_out = sample_runs(corpus.val)
        self.read_again = sample_runs(corpus.train, n_tokens(self.held_out))
        self.history: list[Losses] = []
        self.recent: list[float] = []
        self.kept: State = {}
        self.kept_step = 0
        processes.reseed(params.seed, self.done)

    def step(self) -> None:
        """Make one update. Raises `InputError` when the loss is not finite any more.

        Every process draws the same batch, noise and sample of other tokens, and takes its slice
        of the batch in `accumulate` equal parts, whose gradients are averaged. Dropout and discount
        draw other numbers for each part.
        """
        self.learner.train()
        set_rates(self.optimizers, self.done, self.params)
        read, wanted = self.batches.draw()
        batch, outputs = (self.noising(read), wanted), self.outputs(wanted)
        tokens, targets = (self._parts(ids.to(self.learner.model.device)) for ids in batch)
        self.learner.zero_grad(set_to_none=True)
        loss, n = 0.0, len(tokens)
        for index in range(n):
            # The processes exchange gradients once, when all parts have added theirs.
            with without_exchange(self.forward, when=index < n - 1):
                with autocast(self.learner.model.device, self.params.precision):
                    part = self.forward(tokens[index], targets[index], outputs) / n
                part.backward()
            loss += part.item()
        for optimizer in self.optimizers:
            optimizer.step()
        self.done += 1
        self.recent.append(self._finite(self.processes.mean(loss, self.learner.model.device)))

    def outputs(self, targets: Tensor) -> Outputs:
        """Return what the softmax of a step with these `targets` runs over: all, or a sample."""
        if self.params.softmax == "full":
            return self.learner.every_output()
        return self.learner.sampled_outputs(targets, self.params.sampled_tokens, self.sampler)

    def evaluate(self) -> Losses:
        """Return the losses now, and keep the weights if they are the ones to keep.

        Every process computes them, and so each keeps the same weights without being told.
        """
        train, val = self.exact_losses(self.read_again, self.held_out)
        losses = Losses(
            step=self.done,
            train=self._finite(train),
            val=self._finite(val),
            batch=sum(self.recent) / len(self.recent),
        )
        if self.params.keep == "last" or all(losses.val < before.val for before in self.history):
            self.kept_step = self.done
            self.kept = {name: p.detach().clone() for name, p in self._learned().items()}
        self.history.append(losses)
        self.recent = []
        self.processes.reseed(self.params.seed, self.done)
        return losses

    def exact_losses(self, *texts: Text) -> list[float]:
        """Return the loss on each text of the plain model as it now is: folded, without dropout.

        In nats/token and float32, over the whole vocabulary.
        """
        self.learner.fold()
        with uncompiled(self.params.compile):
            return [mean_loss(self.learner.model, text) for text in texts]

    def finish(self) -> GPT:
        """Return the model with the weights to keep, in eval mode."""
        with torch.no_grad():
            for name, parameter in self._learned().items():
                parameter.copy_(self.kept[name])
        self.learner.fold()
        return self.learner.model.eval()

    def state(self) -> State:
        """Return all that a later process needs to go on, as tensors and plain numbers.

        Of several processes the first one's state is enough for all: see `Processes.reseed`.
        """
        return {
            "learned": {name: p.detach() for name, p in self._learned().items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "batches": self.batches.state(),
            "noising": self.noising.generator.get_state(),
            "sampler": self.sampler.get_state(),
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
            "done": self.done,
            "history": [tuple(losses) for losses in self.history],
            "recent": self.recent,
            "kept": self.kept,
            "kept_step": self.kept_step,
        }

    def load(self, state: State) -> None:
        """Go on from where `state` was taken."""
        with torch.no_grad():
            for name, parameter in self._learned().items():
                parameter.copy_(state["learned"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.batches.load(state["batches"])
        self.noising.generator.set_state(state["noising"])
        self.sampler.set_state(state["sampler"])
        torch.set_rng_state(state["cpu"])
        torch.cuda.set_rng_state_all(state["cuda"])
        self.done, self.kept_step = state["done"], state["kept_step"]
        self.history = [Losses(*row) for row in state["history"]]
        self.recent = list(state["recent"])
        self.kept = state["kept"]
        self.processes.reseed(self.params.seed, self.done)

    def _parts(self, batch: Tensor) -> tuple[Tensor, ...]:
        return self.processes.slice(batch).chunk(self.params.accumulate)

    def _learned(self) -> dict[str, torch.nn.Parameter]:
        return {name: p for name, p in self.learner.named_parameters() if p.requires_grad}

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise InputError(
                f"the loss must stay a number, got {loss} at step {self.done}: "
                "lower train.learning_rate or train.matrix_rate"
            )
        return loss
