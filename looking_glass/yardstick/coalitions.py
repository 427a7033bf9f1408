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
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.attention.interventions import Span
from looking_glass.gpt.loss import target_log_probs
from looking_glass.gpt.model import GPT


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What one word's tokens show to later positions in one block, for R sets before it."""

    key: Tensor  # (R, nh, t, hs)
    value: Tensor  # (R, nh, t, hs)
    can_be_absent: bool  # the set's next bit says whether these may be attended to


@torch.no_grad()
def removed_values(model: GPT, context: Tensor, words: Sequence[Span], target: int) -> Tensor:
    """Return log p(target) in nats after each set of words of `context` (T,): (2^n,), float64.

    The last token's position makes the choice in every set, and its own embedding is there in
    every set; where its word is removed, it does not attend to it. With no word at all attention
    adds nothing. `words` cover the context without a gap.
    """
    n = len(words)
    x = model.embed(context)  # (T, C)
    seen: list[list[Heads]] = []
    for index, (start, stop) in enumerate(words):
        rows = x[None, start:stop].expand(2**index, -1, -1)
        hidden, heads = _pass(model, rows, start, seen, keep_own=True)
        seen.append(heads)
    without, _ = _pass(
        model,
        x[None, -1:].expand(2 ** (n - 1), -1, -1),
        len(context) - 1,
        seen[:-1],
        keep_own=False,
    )
    last = torch.cat([without[:, -1], hidden[:, -1]])  # (2^n, C): the last word's bit is highest
    return _log_probs(model, last, target)


@torch.no_grad()
def replaced_values(
    model: GPT, context: Tensor, replaced: Tensor, words: Sequence[Span], target: int
) -> Tensor:
    """Return log p(target) in nats with the words outside each set replaced: (2^n,), float64.

    `replaced` (T,) holds the tokens that stand in. `words` cover the context without a gap.
    """
    both = torch.stack([model.embed(replaced), model.embed(context)])  # (2, T, C)
    seen: list[list[Heads]] = []
    for index, (start, stop) in enumerate(words):
        # Row s of 2^(index + 1): bit `index` says which of the two stands here.
        rows = both[:, start:stop].repeat_interleave(2**index, dim=0)
        hidden, heads = _pass(model, rows, start, seen, keep_own=True, absent=False)
        seen.append(heads)
    return _log_probs(model, hidden[:, -1], target)


def _log_probs(model: GPT, hidden: Tensor, target: int) -> Tensor:
    targets = torch.full((len(hidden),), target, device=hidden.device)
    return target_log_probs(hidden, model.lm_head.weight, targets)


def _pass(
    model: GPT,
    x: Tensor,
    start: int,
    seen: list[list[Heads]],
    *,
    keep_own: bool,
    absent: bool = True,
) -> tuple[Tensor, list[Heads]]:
    """Return the last LayerNorm's output for one word's tokens (R, t, C), and their `Heads`.

    The tokens stand at `start` and attend to the words `seen`, and to their own unless not
    `keep_own`.
    """
    own: list[Heads] = []

    def attend(block: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        heads = Heads(key=key, value=value, can_be_absent=absent)
        own.append(heads)
        return _attend(query, [word[block] for word in seen], heads if keep_own else None)

    return model.hidden(x, attend, start=start), own


def _attend(query: Tensor, seen: list[Heads], own: Heads | None) -> Tensor:
    """Return what heads gather: queries (R, nh, t, hs), words seen by fewer sets → the same shape.

    A word seen in R' sets is read by row s at s mod R'. Where nothing may be attended to: zeros.
    """
    R, nh, t, hs = query.shape
    scores = []
    if seen:
        A = len(seen[-1].key)  # rows s and s + A, and so on, share what was seen
        grouped = query.view(R // A, A, nh, t, hs).permute(1, 2, 0, 3, 4).reshape(A, nh, -1, hs)
        keys = _joined([word.key for word in seen])  # (A, nh, P, hs)
        found = (grouped @ keys.transpose(-2, -1)).view(A, nh, R // A, t, -1)
        before = found.permute(2, 0, 1, 3, 4).reshape(R, nh, t, -1)
        scores.append(before.masked_fill_(_absent(R, seen)[:, None, None], -math.inf))
    if own is not None:
        inner = query @ own.key.transpose(-2, -1)  # (R, nh, t, t)
        later = torch.ones(t, t, dtype=torch.bool, device=query.device).triu(1)
        scores.append(inner.masked_fill(later, -math.inf))
    if not scores:
        return torch.zeros_like(query)
    joined = torch.cat(scores, dim=-1) / math.sqrt(hs)
    # A row without a source is NaN after the softmax: it gathers nothing.
    pattern = joined.softmax(dim=-1).nan_to_num(0.0)  # (R, nh, t, positions)
    gathered = torch.zeros_like(query) if own is None else pattern[..., -t:] @ own.value
    if seen:
        share = pattern[..., : keys.shape[2]].reshape(R // A, A, nh, t, -1)
        values = _joined([word.value for word in seen])
        mixed = share.permute(1, 2, 0, 3, 4).reshape(A, nh, (R // A) * t, -1) @ values
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


def _absent(R: int, seen: list[Heads]) -> Tensor:
    """Return which positions each of R sets lacks: (R, P), bool."""
    rows = torch.arange(R, device=seen[0].key.device)
    return torch.stack(
        [
            # The next bit of a row's number, above those that say which sets the word was seen in.
            ((rows // len(word.key)) % 2 == 0) & word.can_be_absent
            for word in seen
            for _ in range(word.key.shape[2])
        ],
        dim=1,
    )
