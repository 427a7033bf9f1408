"""A run of training: the model that learns, and all that decides how it goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Corpus
from looking_glass.training.acceleration import autocast, compile_blocks, uncompiled
from looking_glass.training.batches import Batches
from looking_glass.training.learner import Learner
from looking_glass.training.optimizer import learning_rate_at, make_optimizer
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


class Training:
    """A run that can be stopped after any step, and go on from its `state` to the same bits."""

    def __init__(
        self,
        model: GPT,
        corpus: Corpus,
        token_bytes: Sequence[bytes],
        params: TrainParams,
        processes: Processes = ALONE,
        *,
        pretrained: bool = False,
    ) -> None:
        """Prepare to train `model` in place; `token_bytes` are those of each token, by id.

        Its embedding is drawn anew unless it is `pretrained`.

        Dropout draws from the global generator. Raises `InputError` when a part of the text is
        shorter than a block, or a batch cannot be shared out.
        """
        block_size = model.config.block_size
        check_lengths(corpus, block_size)
        check_shares(params, processes)
        self.params = params
        self.processes = processes
        self.corpus = corpus
        vocabulary = Vocabulary(corpus.train, token_bytes, apart=pretrained)
        self.learner = Learner(
            model, vocabulary, discount=params.discount, pretrained=pretrained
        ).to(model.device)
        if params.compile:
            compile_blocks(model)
        self.forward = processes.wrap(self.learner)
        self.optimizer = make_optimizer(self.learner, params)
        self.batches = Batches(
            corpus.train, block_size=block_size, batch_size=params.batch_size, seed=params.seed
        )
        # A generator of its own: the batches must not depend on how the softmax is computed.
        self.sampler = torch.Generator().manual_seed(params.seed + 1)
        self.done = 0
        self.history: list[tuple[int, float, float]] = []  # step, training and validation loss
        self.recent: list[float] = []
        self.kept: State = {}
        self.kept_step = 0
        processes.reseed(params.seed, self.done)

    def step(self) -> None:
        """Make one update. Raises `InputError` when the loss is not finite any more.

        Every process draws the same batch and the same sample of other tokens, and takes its slice
        of the batch in `accumulate` equal parts, whose gradients are averaged. Dropout and discount
        draw other numbers for each part.
        """
        self.learner.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.done, self.params)
        batch, others = self.batches.draw(), self._others()
        tokens, targets = (self._parts(ids.to(self.learner.model.device)) for ids in batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss, n = 0.0, len(tokens)
        for index in range(n):
            # The processes exchange gradients once, when all parts have added theirs.
            with without_exchange(self.forward, when=index < n - 1):
                with autocast(self.learner.model.device, self.params.precision):
                    part = self.forward(tokens[index], targets[index], *others) / n
                part.backward()
            loss += part.item()
        self.optimizer.step()
        self.done += 1
        self.recent.append(self._finite(self.processes.mean(loss, self.learner.model.device)))

    def evaluate(self) -> tuple[float, float]:
        """Return the mean training loss since the last call and the validation loss; keep weights.

        The validation loss is that of the plain model: folded, and over the whole vocabulary.
        Every process computes it, and so each keeps the same weights without being told.
        """
        train_loss = sum(self.recent) / len(self.recent)
        val_loss = self._finite(self.exact_loss())
        if self.params.keep == "last" or all(val_loss < row[2] for row in self.history):
            self.kept_step = self.done
            self.kept = {name: p.detach().clone() for name, p in self._learned().items()}
        self.history.append((self.done, train_loss, val_loss))
        self.recent = []
        self.processes.reseed(self.params.seed, self.done)
        return train_loss, val_loss

    def exact_loss(self) -> float:
        """Return the validation loss of the model as it now is, in nats/token and float32."""
        self.learner.fold()
        with uncompiled(self.params.compile):
            return mean_loss(self.learner.model, self.corpus.val)

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
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.generator.get_state(),
            "sampler": self.sampler.get_state(),
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
            "done": self.done,
            "history": self.history,
            "recent": self.recent,
            "kept": self.kept,
            "kept_step": self.kept_step,
        }

    def load(self, state: State) -> None:
        """Go on from where `state` was taken."""
        with torch.no_grad():
            for name, parameter in self._learned().items():
                parameter.copy_(state["learned"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.generator.set_state(state["batches"])
        self.sampler.set_state(state["sampler"])
        torch.set_rng_state(state["cpu"])
        torch.cuda.set_rng_state_all(state["cuda"])
        self.done, self.kept_step = state["done"], state["kept_step"]
        self.history = [tuple(row) for row in state["history"]]
        self.recent = list(state["recent"])
        self.kept = state["kept"]
        self.processes.reseed(self.params.seed, self.done)

    def _parts(self, batch: Tensor) -> tuple[Tensor, ...]:
        return self.processes.slice(batch).chunk(self.params.accumulate)

    def _others(self) -> tuple[Tensor, Tensor]:
        if self.params.softmax == "full":
            return self.learner.every_other_form()
        return self.learner.sampled_forms(self.params.sampled_tokens, self.sampler)

    def _learned(self) -> dict[str, torch.nn.Parameter]:
        return {name: p for name, p in self.learner.named_parameters() if p.requires_grad}

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise InputError(
                f"the loss must stay a number, got {loss} at step {self.done}: "
                "lower train.learning_rate"
            )
        return loss
