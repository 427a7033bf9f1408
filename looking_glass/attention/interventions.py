"""What a choice loses when a source is taken away: its attention removed, its token replaced.

A source is a position, or a range of them, that the last position of a context attends to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from looking_glass.attention.choices import Choices, last_logits
from looking_glass.attention.patterns import attention_pattern, trace
from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import output_layer

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
    every_row: bool = False,
) -> Tensor:
    """Return the last logits of `context` (T,) without each source in `blocks`: (S, V).

    Only the last position loses its attention, in all heads or in one; with `every_row` no other
    position attends to the source either, so that nothing of it can be passed on. The sources are
    every position, or ranges of positions (start, stop). A source that is all there is to attend
    to leaves nothing: NaN.
    """
    T = len(context)
    spans = sources or single(T)
    heads = 1 if head is None else model.config.n_head
    removed = torch.zeros(len(spans), heads, T, T, dtype=torch.bool, device=model.device)
    for index, (start, stop) in enumerate(spans):
        rows = slice(stop, T) if every_row and stop < T else slice(T - 1, T)
        removed[index, head or 0, rows, start:stop] = True
    x = model.embed(context).expand(len(spans), -1, -1)
    return last_logits(model, x, dict.fromkeys(blocks, removed))[0]


def knock_outs(
    model: GPT,
    choices: Choices,
    blocks: Sequence[int],
    *,
    head: int | None = None,
    sources: Sequence[Span] | None = None,
    every_row: bool = False,
) -> Tensor:
    """Return the nats that each choice loses without each source, as `logits_without`: (N, S).

    Positive where the choice becomes less probable without the source.
    """
    effects = []
    for index, context in enumerate(choices.contexts):
        logits = logits_without(
            model, context, blocks, head=head, sources=sources, every_row=every_row
        )
        without = logits.log_softmax(dim=-1)[:, choices.chosen[index]]
        effects.append(choices.log_probs[index] - without)
    return torch.stack(effects)


@torch.no_grad()
def all_knock_outs(model: GPT, choices: Choices, sources: Sequence[Span]) -> Tensor:
    """Return the nats that one choice loses without each source: (L + 2, S).

    In each of the L blocks alone, in all of them, and in all of them and every later row: what
    `knock_outs` gives one by one. Where the last position alone loses its attention, it alone is
    computed anew.
    """
    L, S, T = model.config.n_layer, len(sources), choices.contexts.shape[1]
    from_last = torch.zeros(S, T, dtype=torch.bool, device=model.device)
    from_later = torch.zeros(S, T, T, dtype=torch.bool, device=model.device)
    for index, (start, stop) in enumerate(sources):
        from_last[index, start:stop] = True
        from_later[index, stop:, start:stop] = True
    from_later[:, -1] |= from_last
    # Row `block` loses its edges in that block, row L in all of them.
    everywhere = torch.eye(L + 1, dtype=torch.bool, device=model.device)[:L]  # (L, L + 1)
    everywhere[:, L] = True
    removed = everywhere[:, :, None, None] & from_last  # (L, L + 1, S, T)
    x = model.embed(choices.contexts)  # (1, T, C)
    plain, rows = _last_rows(model, x, removed.view(L, -1, T))
    edges = dict.fromkeys(range(L), from_later[:, None])
    every = trace(model, x.expand(S, -1, -1), edges).hidden[:, -1]
    hidden = torch.cat([plain, rows, every])  # (1 + (L + 2) S, C)
    targets = choices.chosen[:1].expand(len(hidden))
    log_probs = output_layer(model).log_probs(hidden, targets)
    return (log_probs[0] - log_probs[1:]).float().view(L + 2, S)


def _last_rows(model: GPT, x: Tensor, removed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last position's hidden state, and without R sets of its edges: (1, C), (R, C).

    `x` are input embeddings (1, T, C). `removed` (L, R, T) holds the edges of each block that are
    lost. All other positions are as they are in the plain pass.
    """
    seen: list[tuple[Tensor, Tensor]] = []  # keys and values of a block each: (1, nh, T, hs)

    def look(block: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        seen.append((key, value))
        return attention_pattern(query, key) @ value

    def attend(block: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        keys, values = seen[block]
        shared = (query[:, :, 0].transpose(0, 1) @ keys[0].transpose(-2, -1)).transpose(0, 1)
        scores = torch.cat([shared[..., :-1], (query * key).sum(dim=-1)], dim=-1)
        scores /= math.sqrt(query.shape[-1])
        pattern = scores.masked_fill(removed[block, :, None], -math.inf).softmax(dim=-1)
        mixed = (pattern[..., :-1].transpose(0, 1) @ values[0, :, :-1]).transpose(0, 1)
        return mixed[:, :, None] + pattern[..., -1:, None] * value  # (R, nh, 1, hs)

    plain = model.hidden(x, look)[:, -1]
    last = x[:, -1:].expand(removed.shape[1], -1, -1)
    return plain, model.hidden(last, attend, start=x.shape[1] - 1)[:, 0]


def replacements(
    model: GPT, choices: Choices, matched: Tensor, sources: Sequence[Span] | None = None
) -> Tensor:
    """Return by how much the choice's lead over its best rival shrinks without each source: (N, S).

    In logits. The tokens of one source at a time give way to theirs in `matched` (V,). The rival
    is whichever token is best after that: it need not be the one that was second before. A source
    that has a token with no stand-in, itself in `matched`, has no number: NaN.
    """
    spans = sources or single(choices.contexts.shape[1])
    effects = []
    for index, context in enumerate(choices.contexts):
        changed = context.repeat(len(spans), 1)  # (S, T)
        for row, (start, stop) in enumerate(spans):
            changed[row, start:stop] = matched[context[start:stop]]
        logits = model.lm_head(model.hidden(model.embed(changed))[:, -1])  # (S, V)
        chosen = choices.chosen[index]
        own = logits[:, chosen].clone()
        logits[:, chosen] = -math.inf
        lost = choices.margins[index] - (own - logits.amax(dim=1))
        effects.append(lost.where(replaceable(context, matched, spans), math.nan))
    return torch.stack(effects)


def replaceable(context: Tensor, matched: Tensor, sources: Sequence[Span]) -> Tensor:
    """Return of each source whether another token stands in for each of its own: (S,), bool."""
    other = matched[context] != context  # (T,)
    return torch.stack([other[start:stop].all() for start, stop in sources])
