"""What a choice was made of: the parts of its logit, and what each source sent.

    weighted norm    the length of what the block's heads carry from the source, ‖Σ α v W_O‖: a
                     source may get much attention and send next to nothing
                     (Kobayashi et al. 2020, Attention is Not Only a Weight)
    direct           what that adds to the choice's log-probability, to first order, all that comes
                     later left aside. Not what it adds to the logit: of that, what all tokens share
                     changes no probability

The logit is a sum over everything that was added to the residual stream, once the last LayerNorm's
scale is taken as it was: embeddings, each head, each MLP, biases. Source: Elhage et al. 2021, A
Mathematical Framework for Transformer Circuits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.attention.interventions import Span
from looking_glass.attention.patterns import trace
from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import output_layer


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
    embeddings, positions = model.embed(tokens[None]), model.transformer.wpe.weight[:T]
    names, values = ["token embedding", "position"], [embeddings[0, -1], positions[-1]]
    added: list[Tensor] = []  # by each block's attention and by its MLP
    traced = trace(model, embeddings, added=added)
    moved = []
    for index, block in enumerate(model.transformer.blocks):
        pattern, value = traced.patterns[index][0], traced.values[index][0]
        nh, hs = value.shape[0], value.shape[-1]
        weight = block.attn.c_proj.weight.view(-1, nh, hs)  # (C, nh, hs)
        carried = torch.einsum("nts,cns->ntc", value, weight)
        carried = pattern[:, -1, :, None] * carried  # (nh, T, C)
        moved.append(carried)
        for head in range(nh):
            names.append(f"block {index + 1}, head {head + 1}")
            values.append(carried[head].sum(dim=0))
        names += [f"block {index + 1}, attention bias", f"block {index + 1}, MLP"]
        values += [block.attn.c_proj.bias, added[2 * index + 1][0, -1]]
    return Parts(names=names, values=torch.stack(values), moved=moved)


def logit_of(model: GPT, target: int) -> Tensor:
    """Return the direction in which the logit of `target` grows, after the last LayerNorm (C,)."""
    row: Tensor = model.lm_head.weight[target]
    return row


@torch.no_grad()
def log_prob_of(model: GPT, parts: Parts, target: int) -> Tensor:
    """Return the direction in which log p(target) grows at the choice: its gradient there, (C,)."""
    last = model.transformer.ln_f(parts.values.sum(dim=0))
    return output_layer(model).log_prob_gradients(last[None], target)[0]


@torch.no_grad()
def direct(model: GPT, parts: Parts, vectors: Tensor, direction: Tensor) -> Tensor:
    """Return what `vectors` (..., C) in the residual stream add along `direction` (C,): (...).

    `direction` is from `logit_of` or `log_prob_of`, and the scale of the last LayerNorm is that of
    the whole stream. Over all parts, plus `direct_constant`, the sum along a logit's is the logit.
    """
    norm = model.transformer.ln_f
    scale = (parts.values.sum(dim=0).var(correction=0) + norm.eps).sqrt()
    row = norm.weight * direction  # (C,)
    centred = vectors - vectors.mean(dim=-1, keepdim=True)
    added: Tensor = (centred @ row) / scale
    return added


def direct_constant(model: GPT, direction: Tensor) -> float:
    """Return what the last LayerNorm's bias adds along `direction` (C,), whatever the input."""
    return float(model.transformer.ln_f.bias @ direction)


@torch.no_grad()
def carried(parts: Parts, block: int, sources: Sequence[Span]) -> Tensor:
    """Return what all heads of a block carry from each source: (S, C)."""
    moved = parts.moved[block].sum(dim=0)  # (T, C)
    return torch.stack([moved[start:stop].sum(dim=0) for start, stop in sources])
