"""What a model says of one token for every set of the context's words: 2^n numbers, exactly.

A context of n words has 2^n sets of them. Set number s holds word i where bit i of s is 1. A word
that is not in the set is either

    removed    no position attends to it in any block, itself included (`removed_values`), or
    replaced   another token stands in the place of each of its own (`replaced_values`).

Done one by one that is 2^n passes over the whole context. But a position depends only on the words
up to its own: the states of word i are needed once for each set of the words before it, 2^i of
them, and all larger sets share them. So the words are worked through from left to right, the keys
and values of each kept; a set reads those of word i at s mod 2^i. The sum over words is about
2^(n+1) word passes in place of n 2^n.

What is the same for all sets is computed once: the first block's queries, keys and values are those
of the tokens alone. Of the last block no more is needed than the keys and values of words before
the last, and what its last position makes of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from looking_glass.attention.interventions import Span
from looking_glass.gpt.model import GPT, Block
from looking_glass.gpt.siblings import output_layer
from looking_glass.yardstick.seen import Heads, Seen, attend


@torch.no_grad()
def removed_values(
    model: GPT,
    context: Tensor,
    words: Sequence[Span],
    target: int,
) -> Tensor:
    """Return log p(target) in nats after each set of words of `context` (T,): (2^n,), float64.

    The last token's position makes the choice in every set, and its own embedding is there in
    every set; where its word is removed, it does not attend to it. With no word at all attention
    adds nothing. `words` cover the context without a gap.
    """
    x = model.embed(context)[None]  # (1, T, C)
    seen = [Seen() for _ in model.transformer.blocks]
    for index, (start, stop) in enumerate(words[:-1]):
        _show(model, x[:, start:stop], 2**index, start, seen, can_be_absent=True)
    (start, _), rows = words[-1], 2 ** (len(words) - 1)
    last = len(context) - 1
    without = _chooser(model, x[:, last:], rows, last, seen, keep_own=False)
    there = _chooser(model, x[:, start:], rows, start, seen)
    # The last word's bit is highest.
    return _log_probs(model, torch.cat([without, there]), target)


@torch.no_grad()
def replaced_values(
    model: GPT,
    context: Tensor,
    replaced: Tensor,
    words: Sequence[Span],
    target: int,
) -> Tensor:
    """Return log p(target) in nats with the words outside each set replaced: (2^n,), float64.

    `replaced` (T,) holds the tokens that stand in. `words` cover the context without a gap.
    A word that is its own stand-in is the same in all sets: there are then half as many to be
    computed.
    """
    both = torch.stack([model.embed(replaced), model.embed(context)])  # (2, T, C)
    differs = [not torch.equal(context[a:b], replaced[a:b]) for a, b in words]
    seen = [Seen() for _ in model.transformer.blocks]
    rows = 1
    for there, (start, stop) in zip(differs[:-1], words[:-1], strict=True):
        rows *= 1 + there
        _show(model, both[1 - there :, start:stop], rows, start, seen, can_be_absent=False)
    start, rows = words[-1][0], rows * (1 + differs[-1])
    hidden = _chooser(model, both[1 - differs[-1] :, start:], rows, start, seen)
    found = _log_probs(model, hidden, target)
    # A set's number without the digits of words that are the same in all.
    sets = torch.arange(2 ** len(words), device=found.device)
    row = torch.zeros_like(sets)
    for index in reversed(range(len(words))):
        if differs[index]:
            row = 2 * row + (sets >> index) % 2
    return found[row]


def _log_probs(model: GPT, hidden: Tensor, target: int) -> Tensor:
    return output_layer(model).log_probs(
        hidden, torch.full((len(hidden),), target, device=hidden.device)
    )


def _show(
    model: GPT, x: Tensor, rows: int, start: int, seen: list[Seen], *, can_be_absent: bool
) -> None:
    """Add to `seen`, a block each, what one word, which is not the last, shows to later ones.

    `x` (d, t, C) are the embeddings of its tokens, which stand at `start`, in each of d ways; row s
    of `rows` has way s // (rows / d). They attend to the words `seen` and to themselves.
    """
    absent = seen[0].absent(rows)
    state = model.residual_input(x, start)
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(state))
        if index == 0:
            state, query, key, value = (_each(one, rows) for one in (state, query, key, value))
        own = Heads(key=key, value=value, can_be_absent=can_be_absent)
        if index < model.config.n_layer - 1:
            state = _after(block, state, attend(query, seen[index], own, absent))
        seen[index].add(own)


def _chooser(
    model: GPT,
    x: Tensor,
    rows: int,
    start: int,
    seen: list[Seen],
    *,
    keep_own: bool = True,
) -> Tensor:
    """Return the last LayerNorm's output at the last position: (rows, C).

    `x` (d, t, C) is the last word as in `_show`, or its last token; with `keep_own` its tokens
    attend to themselves too.
    """
    absent = seen[0].absent(rows)
    state = model.residual_input(x, start)
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(state))
        if index == 0:
            state, query, key, value = (_each(one, rows) for one in (state, query, key, value))
        if index == model.config.n_layer - 1:
            state, query = state[:, -1:], query[:, :, -1:]
        own = Heads(key=key, value=value, can_be_absent=False) if keep_own else None
        state = _after(block, state, attend(query, seen[index], own, absent))
    out: Tensor = model.transformer.ln_f(state)
    return out[:, -1]


def _each(ways: Tensor, rows: int) -> Tensor:
    """Return (d, …) with each of d ways rows / d times over, one after the other: (rows, …)."""
    d = len(ways)
    return ways[:, None].expand(-1, rows // d, *ways.shape[1:]).flatten(0, 1)


def _after(block: Block, state: Tensor, mixed: Tensor) -> Tensor:
    """Return the residual stream after a block whose heads gathered `mixed`: (R, t, C)."""
    state = state + block.attn.project(mixed)
    out: Tensor = state + block.mlp(block.ln_2(state))
    return out
