"""What a model chose after contexts: the choices whose causes are asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.attention.patterns import trace
from looking_glass.gpt.model import GPT


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was chosen after each of N contexts of T tokens."""

    contexts: Tensor  # (N, T)
    chosen: Tensor  # (N,): the token that is explained
    second: Tensor  # (N,): the most probable other one
    log_probs: Tensor  # (N,) nats: of the chosen one
    margins: Tensor  # (N,): chosen logit minus second
    patterns: list[Tensor]  # a block each: the last row, (N, nh, T)

    def each(self) -> list[Choices]:
        """Return the N of them, each by itself."""
        return [
            Choices(
                contexts=self.contexts[at],
                chosen=self.chosen[at],
                second=self.second[at],
                log_probs=self.log_probs[at],
                margins=self.margins[at],
                patterns=[pattern[at] for pattern in self.patterns],
            )
            for at in (slice(index, index + 1) for index in range(len(self.chosen)))
        ]


@torch.no_grad()
def choose(model: GPT, contexts: Tensor, chosen: Tensor | None = None) -> Choices:
    """Return the model's choice after each of `contexts` (N, T), or how it sees those given (N,).

    Unless given, the choice is the most probable token.
    """
    logits, patterns = last_logits(model, model.embed(contexts))
    if chosen is None:
        chosen = logits.argmax(dim=-1)
    log_probs = logits.log_softmax(dim=-1)
    others = logits.scatter(1, chosen[:, None], -math.inf)
    second = others.argmax(dim=-1)
    return Choices(
        contexts=contexts,
        chosen=chosen,
        second=second,
        log_probs=_at(log_probs, chosen),
        margins=_at(logits, chosen) - _at(logits, second),
        # Copies: a view of the last rows would keep all rows.
        patterns=[pattern[:, :, -1].clone() for pattern in patterns],
    )


def _at(values: Tensor, tokens: Tensor) -> Tensor:
    return values.gather(1, tokens[:, None])[:, 0]


@torch.no_grad()
def last_logits(
    model: GPT, x: Tensor, removed: Mapping[int, Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Return the logits at the last position, (B, V), and each block's pattern.

    `x` are input embeddings (B, T, C); `removed` is as in `trace`.
    """
    traced = trace(model, x, removed)
    logits: Tensor = model.lm_head(traced.hidden[:, -1])
    return logits, traced.patterns
