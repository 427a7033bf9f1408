"""What a choice loses when a source is taken away: its attention removed, its token replaced.

A source is a position, or a range of them, that the last position of a context attends to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from looking_glass.attention.choices import Choices, last_logits
from looking_glass.gpt.model import GPT

Span = tuple[int, int]  # of positions: start, stop


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
    position, or ranges of positions (start, stop). A source that is all there is to attend to
    leaves nothing: NaN.
    """
    T = len(context)
    spans = sources or single(T)
    heads = 1 if head is None else model.config.n_head
    removed = torch.zeros(len(spans), heads, T, T, dtype=torch.bool, device=model.device)
    for index, (start, stop) in enumerate(spans):
        removed[index, head or 0, -1, start:stop] = True
    x = model.embed(context).expand(len(spans), -1, -1)
    return last_logits(model, x, dict.fromkeys(blocks, removed))[0]


def knock_outs(
    model: GPT,
    choices: Choices,
    blocks: Sequence[int],
    *,
    head: int | None = None,
    sources: Sequence[Span] | None = None,
) -> Tensor:
    """Return the nats that each choice loses without each source, as `logits_without`: (N, S).

    Positive where the choice becomes less probable without the source.
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

    In logits. The tokens of one source at a time give way to theirs in `matched` (V,). The rival
    is whichever token is best after that: it need not be the one that was second before.
    """
    spans = sources or single(choices.contexts.shape[1])
    effects = []
    for index, context in enumerate(choices.contexts):
        changed = context.repeat(len(spans), 1)  # (S, T)
        for row, (start, stop) in enumerate(spans):
            changed[row, start:stop] = matched[context[start:stop]]
        logits, _ = last_logits(model, model.embed(changed), {})
        chosen = choices.chosen[index]
        own = logits[:, chosen].clone()
        logits[:, chosen] = -math.inf
        effects.append(choices.margins[index] - (own - logits.amax(dim=1)))
    return torch.stack(effects)
