"""What a choice was made of: the parts of its logit, and what each source sent.

    weighted norm    the length of what the block's heads carry from the source, ‖Σ α v W_O‖: a
                     source may get much attention and send next to nothing
                     (Kobayashi et al. 2020, Attention is Not Only a Weight)
    direct           what that adds to the chosen token's logit, all that comes later left aside

The logit is a sum over everything that was added to the residual stream, once the last LayerNorm's
scale is taken as it was: embeddings, each head, each MLP, biases. Source: Elhage et al. 2021, A
Mathematical Framework for Transformer Circuits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from looking_glass.attention.patterns import attention_pattern
from looking_glass.text.corpus import Tokens
from looking_glass.attention.interventions import Span
from looking_glass.gpt.model import GPT

CONFIDENCE = 1.96  # standard errors to each side: 95 %


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What was added to the residual stream at the last position, and what brought it there."""

    names: list[str]
    values: Tensor  # (parts, C): their sum enters the last LayerNorm
    moved: list[Tensor]  # a block each, (nh, T, C): what each head carried from each source


@torch.no_grad()
def parts_of(model: GPT, tokens: Tensor) -> Parts:
    """Take apart the residual stream at the last of `tokens` (T,)."""
    T = len(tokens)
    token, position = model.embed(tokens[None])[0], model.transformer.wpe.weight[:T]
    names, values, moved = ["token embedding", "position"], [token[-1], position[-1]], []
    x = (token + position)[None]  # (1, T, C)
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(x))  # each (1, nh, T, hs)
        pattern = attention_pattern(query, key)  # (1, nh, T, T)
        nh, hs = value.shape[1], value.shape[-1]
        weight = block.attn.c_proj.weight.view(-1, nh, hs)  # (C, nh, hs)
        carried = torch.einsum("nts,cns->ntc", value[0], weight)
        carried = pattern[0, :, -1, :, None] * carried  # (nh, T, C)
        moved.append(carried)
        for head in range(nh):
            names.append(f"block {index + 1}, head {head + 1}")
            values.append(carried[head].sum(dim=0))
        names.append(f"block {index + 1}, attention bias")
        values.append(block.attn.c_proj.bias)
        x = x + block.attn.project(pattern @ value)
        mlp = block.mlp(block.ln_2(x))
        names.append(f"block {index + 1}, MLP")
        values.append(mlp[0, -1])
        x = x + mlp
    return Parts(names=names, values=torch.stack(values), moved=moved)


@torch.no_grad()
def direct(model: GPT, parts: Parts, vectors: Tensor, target: int) -> Tensor:
    """Return what `vectors` (..., C) in the residual stream add to the logit of `target`: (...).

    The scale of the last LayerNorm is that of the whole stream. Over all parts, plus
    `direct_constant`, the sum is the logit.
    """
    norm = model.transformer.ln_f
    scale = (parts.values.sum(dim=0).var(correction=0) + norm.eps).sqrt()
    row = norm.weight * model.lm_head.weight[target]  # (C,)
    centred = vectors - vectors.mean(dim=-1, keepdim=True)
    added: Tensor = (centred @ row) / scale
    return added


def direct_constant(model: GPT, target: int) -> float:
    """Return what the last LayerNorm's bias adds to the logit of `target`, whatever the input."""
    return float(model.transformer.ln_f.bias @ model.lm_head.weight[target])


@torch.no_grad()
def carried(parts: Parts, block: int, sources: Sequence[Span]) -> Tensor:
    """Return what all heads of a block carry from each source: (S, C)."""
    moved = parts.moved[block].sum(dim=0)  # (T, C)
    return torch.stack([moved[start:stop].sum(dim=0) for start, stop in sources])


def interval(values: Tensor) -> tuple[float, float, float]:
    """Return the mean of the finite ones of `values` and its 95 % confidence interval."""
    finite = values[values.isfinite()].double()
    mean = float(finite.mean())
    if len(finite) < 2:
        return mean, math.nan, math.nan
    half = CONFIDENCE * float(finite.std()) / math.sqrt(len(finite))
    return mean, mean - half, mean + half


def top_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return for each row whether its largest entry is the same in both: (N, S) → (N,)."""
    return (a.argmax(dim=1) == b.argmax(dim=1)).double()


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return how much of two distributions over the last dimension is the same: 0 to 1."""
    return torch.minimum(a, b).sum(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a choice stands in the training text."""

    length: int  # tokens of the longest end of the context that occurs there with a successor
    counts: dict[int, int]  # what follows it there, most frequent first


def provenance(context: Sequence[int], text: Tokens) -> Provenance:
    """Return the longest end of `context` that `text` holds, and what follows it there."""
    follows = np.arange(1, len(text))  # positions of successors, while no token is asked for
    length = 0
    for token in reversed(context):
        # follows - length - 1 is where the next token back would have to stand.
        at = follows[follows > length]
        kept = at[np.asarray(text)[at - length - 1] == token]
        if not len(kept):
            break
        follows, length = kept, length + 1
    tokens, counts = np.unique(np.asarray(text)[follows], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Provenance(length=length, counts={int(tokens[i]): int(counts[i]) for i in order})
