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

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.attention.interventions import Span
from looking_glass.gpt.model import GPT, Block
from looking_glass.gpt.siblings import OutputLayer


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What one word's tokens show to later positions in one block, for R sets before it."""

    key: Tensor  # (R, nh, t, hs)
    value: Tensor  # (R, nh, t, hs)
    can_be_absent: bool  # the set's next bit says whether these may be attended to


class Seen:
    """What all words so far show to later positions in one block; every word has its bit."""

    def __init__(self) -> None:
        self.words: list[Heads] = []

    @property
    def rows(self) -> int:
        """For how many sets the last word is there in its own way: no earlier one has more."""
        return len(self.words[-1].key)

    @functools.cached_property
    def keys(self) -> Tensor:
        """Side by side, as each row of the last word reads them: (A, nh, P, hs)."""
        return _joined([word.key for word in self.words])

    @functools.cached_property
    def values(self) -> Tensor:
        """As `keys`."""
        return _joined([word.value for word in self.words])

    def add(self, word: Heads) -> None:
        """Go on to the next word."""
        self.words.append(word)
        for name in ("keys", "values"):
            self.__dict__.pop(name, None)


@torch.no_grad()
def removed_values(
    model: GPT,
    context: Tensor,
    words: Sequence[Span],
    target: int,
    output: OutputLayer | None = None,
) -> Tensor:
    """Return log p(target) in nats after each set of words of `context` (T,): (2^n,), float64.

    The last token's position makes the choice in every set, and its own embedding is there in
    every set; where its word is removed, it does not attend to it. With no word at all attention
    adds nothing. `words` cover the context without a gap; `output` is the model's output layer,
    where it is at hand.
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
    return _log_probs(model, torch.cat([without, there]), target, output)


@torch.no_grad()
def replaced_values(
    model: GPT,
    context: Tensor,
    replaced: Tensor,
    words: Sequence[Span],
    target: int,
    output: OutputLayer | None = None,
) -> Tensor:
    """Return log p(target) in nats with the words outside each set replaced: (2^n,), float64.

    `replaced` (T,) holds the tokens that stand in. `words` cover the context without a gap;
    `output` is as in `removed_values`. A word that is its own stand-in is the same in all sets:
    there are then half as many to be computed.
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
    found = _log_probs(model, hidden, target, output)
    # A set's number without the digits of words that are the same in all.
    sets = torch.arange(2 ** len(words), device=found.device)
    row = torch.zeros_like(sets)
    for index in reversed(range(len(words))):
        if differs[index]:
            row = 2 * row + (sets >> index) % 2
    return found[row]


def _log_probs(model: GPT, hidden: Tensor, target: int, output: OutputLayer | None) -> Tensor:
    output = output or OutputLayer(model.lm_head.weight)
    return output.log_probs(hidden, torch.full((len(hidden),), target, device=hidden.device))


def _show(
    model: GPT, x: Tensor, rows: int, start: int, seen: list[Seen], *, can_be_absent: bool
) -> None:
    """Add to `seen`, a block each, what one word, which is not the last, shows to later ones.

    `x` (d, t, C) are the embeddings of its tokens, which stand at `start`, in each of d ways; row s
    of `rows` has way s // (rows / d). They attend to the words `seen` and to themselves.
    """
    absent = _absent(rows, seen[0].words)
    state = model.residual_input(x, start)
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(state))
        if index == 0:
            state, query, key, value = (_each(one, rows) for one in (state, query, key, value))
        own = Heads(key=key, value=value, can_be_absent=can_be_absent)
        if index < model.config.n_layer - 1:
            state = _after(block, state, _attend(query, seen[index], own, absent))
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
    absent = _absent(rows, seen[0].words)
    state = model.residual_input(x, start)
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(state))
        if index == 0:
            state, query, key, value = (_each(one, rows) for one in (state, query, key, value))
        if index == model.config.n_layer - 1:
            state, query = state[:, -1:], query[:, :, -1:]
        own = Heads(key=key, value=value, can_be_absent=False) if keep_own else None
        state = _after(block, state, _attend(query, seen[index], own, absent))
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


def _attend(query: Tensor, seen: Seen, own: Heads | None, absent: Tensor | None) -> Tensor:
    """Return what heads gather: queries (R, nh, t, hs), words seen by fewer sets → the same shape.

    The queries are of the last t of the tokens in `own`, which may have more. A word seen in R'
    sets is read by row s at s mod R'. `absent` is from `_absent`. Where nothing may be attended to:
    zeros.
    """
    R, nh, t, hs = query.shape
    scores = []
    if seen.words:
        A = seen.rows  # rows s and s + A, and so on, share what was seen
        grouped = query.view(R // A, A, nh, t, hs).permute(1, 2, 0, 3, 4).reshape(A, nh, -1, hs)
        found = (grouped @ seen.keys.transpose(-2, -1)).view(A, nh, R // A, t, -1)
        before = found.permute(2, 0, 1, 3, 4).reshape(R, nh, t, -1)
        # Added, since filling by a mask takes ten times as long.
        scores.append(before if absent is None else before.add_(absent[:, None, None]))
    if own is not None:
        inner = query @ own.key.transpose(-2, -1)  # (R, nh, t, own tokens)
        if inner.shape[-1] > 1:
            later = torch.full(inner.shape[-2:], -math.inf, device=query.device)
            inner.add_(later.triu_(1 + inner.shape[-1] - t))
        scores.append(inner)
    if not scores:
        return torch.zeros_like(query)
    pattern = torch.cat(scores, dim=-1).div_(math.sqrt(hs)).softmax(dim=-1)  # (R, nh, t, positions)
    if own is None:
        gathered = torch.zeros_like(query)
        # A row without a source is NaN after the softmax: it gathers nothing.
        pattern = pattern.nan_to_num(0.0)
    else:
        gathered = pattern[..., -own.key.shape[2] :] @ own.value
    if seen.words:
        share = pattern[..., : seen.keys.shape[2]].reshape(R // A, A, nh, t, -1)
        mixed = share.permute(1, 2, 0, 3, 4).reshape(A, nh, (R // A) * t, -1) @ seen.values
        gathered += mixed.view(A, nh, R // A, t, hs).permute(2, 0, 1, 3, 4).reshape(query.shape)
    return gathered


def _joined(words: list[Tensor]) -> Tensor:
    """Return what the words show side by side, as each row of the last reads it: (A, nh, P, hs).

    The words are of (R', nh, t, hs), R' a power of two and at most A, that of the last.
    """
    A, nh, _, hs = words[-1].shape
    joined = words[-1].new_empty(A, nh, sum(word.shape[2] for word in words), hs)
    at = 0
    for word in words:
        length = word.shape[2]
        joined.view(-1, *word.shape[:2], joined.shape[2], hs)[:, :, :, at : at + length] = word
        at += length
    return joined


def _absent(R: int, seen: list[Heads]) -> Tensor | None:
    """Return -inf at the positions that each of R sets lacks, else 0: (R, P). None: no set can."""
    if not any(word.can_be_absent for word in seen):
        return None
    rows = torch.arange(R, device=seen[0].key.device)
    absent = [
        # The next bit of a row's number, above those that say which sets the word was seen in.
        ((rows // len(word.key)) % 2 == 0) & word.can_be_absent
        for word in seen
        for _ in range(word.key.shape[2])
    ]
    return torch.where(torch.stack(absent, dim=1), -math.inf, 0.0)
