"""What a choice loses when a source is taken away: its attention removed, its token replaced.

A source is a position, or a range of them, that the last position of a context attends to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from looking_glass.attention.patterns import trace_hidden
from looking_glass.text.corpus import Tokens
from looking_glass.gpt.loss import mean_loss
from looking_glass.gpt.model import GPT

Span = tuple[int, int]  # of positions: start, stop


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was chosen after each of N contexts of T tokens."""

    contexts: Tensor  # (N, T)
    chosen: Tensor  # (N,): the token that is explained
    second: Tensor  # (N,): the most probable other one
    log_probs: Tensor  # (N,) nats: of the chosen one
    margins: Tensor  # (N,): chosen logit minus second
    patterns: list[Tensor]  # a block each: the last row, (N, nh, T)

    def chunk(self, n: int) -> list[Choices]:
        """Return them in at most `n` shares."""
        shares = torch.arange(len(self.contexts), device=self.contexts.device).chunk(n)
        return [
            Choices(
                contexts=self.contexts[rows],
                chosen=self.chosen[rows],
                second=self.second[rows],
                log_probs=self.log_probs[rows],
                margins=self.margins[rows],
                patterns=[pattern[rows] for pattern in self.patterns],
            )
            for rows in shares
        ]


@torch.no_grad()
def choose(model: GPT, contexts: Tensor, chosen: Tensor | None = None) -> Choices:
    """Return the model's choice after each of `contexts` (N, T), or how it sees those given (N,).

    Unless given, the choice is the most probable token.
    """
    logits, patterns = _last_logits(model, model.embed(contexts), {})
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
        patterns=[pattern[:, :, -1] for pattern in patterns],
    )


def _at(values: Tensor, tokens: Tensor) -> Tensor:
    return values.gather(1, tokens[:, None])[:, 0]


def single(length: int) -> list[Span]:
    """Return every position as a source of its own."""
    return [(position, position + 1) for position in range(length)]


def logits_without(
    model: GPT,
    context: Tensor,
    blocks: Sequence[int],
    *,
    head: int | None = None,
    sources: Sequence[Span] | None = None,
) -> Tensor:
    """Return the last logits of `context` (T,) without each source in `blocks`: (S, V).

    Only the last position loses its attention, in all heads or in one. The sources are every
    position, or ranges of positions (start, stop).
    """
    T = len(context)
    spans = sources or single(T)
    heads = 1 if head is None else model.config.n_head
    removed = torch.zeros(len(spans), heads, T, T, dtype=torch.bool, device=model.device)
    for index, (start, stop) in enumerate(spans):
        removed[index, head or 0, -1, start:stop] = True
    x = model.embed(context).expand(len(spans), -1, -1)
    return _last_logits(model, x, dict.fromkeys(blocks, removed))[0]


def knock_outs(
    model: GPT,
    choices: Choices,
    blocks: Sequence[int],
    *,
    head: int | None = None,
    sources: Sequence[Span] | None = None,
) -> Tensor:
    """Return the nats that each choice loses without each source, as `logits_without`: (N, S).

    Positive where the source spoke for the choice.
    """
    effects = []
    for index, context in enumerate(choices.contexts):
        logits = logits_without(model, context, blocks, head=head, sources=sources)
        without = logits.log_softmax(dim=-1)[:, choices.chosen[index]]
        effects.append(choices.log_probs[index] - without)
    return torch.stack(effects)


def replacements(
    model: GPT, choices: Choices, matched: Tensor, sources: Sequence[Span] | None = None
) -> Tensor:
    """Return by how much the choice's lead over its best rival shrinks without each source: (N, S).

    In logits. The tokens of each source in its turn give way to theirs in `matched` (V,). The rival
    is the best one then: over the second choice as it was, a token that took the choice's place
    would not show.
    """
    spans = sources or single(choices.contexts.shape[1])
    effects = []
    for index, context in enumerate(choices.contexts):
        changed = context.repeat(len(spans), 1)  # (S, T)
        for row, (start, stop) in enumerate(spans):
            changed[row, start:stop] = matched[context[start:stop]]
        logits, _ = _last_logits(model, model.embed(changed), {})
        chosen = choices.chosen[index]
        own = logits[:, chosen].clone()
        logits[:, chosen] = -math.inf
        effects.append(choices.margins[index] - (own - logits.amax(dim=1)))
    return torch.stack(effects)


@torch.no_grad()
def _last_logits(
    model: GPT, x: Tensor, removed: Mapping[int, Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return the logits at the last position, (B, V), and the patterns."""
    hidden, patterns = trace_hidden(model, x, dict(removed))
    logits: Tensor = model.lm_head(hidden[:, -1])
    return logits, patterns


def matched_tokens(counts: Tensor, kinds: Sequence[str]) -> Tensor:
    """Return for each token another one of its kind that is nearest to it in frequency: (V,).

    `counts` (V,) are occurrences in the training text. A token alone in its kind takes the one
    nearest in frequency of any kind; of two as near the one that is more frequent.
    """
    matched = torch.empty(len(counts), dtype=torch.long)
    groups: dict[str, list[int]] = {}
    for token, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(token)
    everyone = _by_count(counts, list(range(len(counts))))
    for group in groups.values():
        order = _by_count(counts, group)
        for place, token in enumerate(order):
            pool, at = (order, place) if len(order) > 1 else (everyone, everyone.index(token))
            near = [pool[i] for i in (at - 1, at + 1) if 0 <= i < len(pool)]
            matched[token] = min(near, key=lambda other: abs(counts[other] - counts[token]))
    return matched


def _by_count(counts: Tensor, tokens: list[int]) -> list[int]:
    return sorted(tokens, key=lambda token: (-int(counts[token]), token))


def loss_without(model: GPT, tokens: Tokens, block: int, part: Literal["attn", "mlp"]) -> float:
    """Return `mean_loss` over `tokens` when what one part of a block adds is left out."""
    module = getattr(model.transformer.blocks[block], part)
    handle = module.register_forward_hook(lambda _module, _inputs, out: torch.zeros_like(out))
    try:
        return mean_loss(model, tokens)
    finally:
        handle.remove()
