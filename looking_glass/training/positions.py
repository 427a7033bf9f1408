"""Start weights with which attention can tell positions apart from the first step.

A small book does not teach a GPT-2 what its positions are: 400 steps leave every head looking
everywhere alike. Here the positions are there from the start, and all is then trained as ever:

    wpe[p]  holds, in P channels that the token rows leave free, cos(w_m p) and sin(w_m p) times
            0.1, for M = P / 2 frequencies w_m = pi ((m - 1/2) / M)²; squares, since frequencies of
            one spacing agree again at some distance;
    head h  of a block reads these channels as its key, and turned back by h positions as its
            query, so that its logit at distance d is s / M · Σ_m cos(w_m (d - h)): the largest,
            s, is that of the token h before. What else query and key read starts four times
            smaller than GPT-2 draws it.

The last head of each block (one in six) is left as GPT-2 draws it. Source of the idea: Trockman &
Kolter 2023, Mimetic Initialization of Self-Attention Layers; of the turned sinusoids: Vaswani et
al. 2017, section 3.5.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT, Block
from looking_glass.pipeline.errors import InputError

MOST_CHANNELS = 32  # that positions take
AMPLITUDE = 0.1  # of the sinusoids: in each channel as large as what a token puts into its own
OTHERS = 0.25  # what query and key read beside positions starts so many times smaller


def position_channels(config: GPTConfig) -> int:
    """Return P, how many of the first channels hold positions: even, at most a head's size.

    Raises `InputError` when a head is too small to tell positions apart.
    """
    channels = min(config.n_embd // config.n_head, config.n_embd // 2, MOST_CHANNELS) // 2 * 2
    if channels < 4:
        raise InputError(
            "model.init: positions requires heads of at least 4 channels and 8 in all, got "
            f"n_embd {config.n_embd} and n_head {config.n_head}: widen the model, take fewer "
            "heads, or set it to scratch"
        )
    return channels


def frequencies(channels: int) -> Tensor:
    """Return the M = channels / 2 frequencies in radians a position: (M,)."""
    M = channels // 2
    return math.pi * ((torch.arange(M) + 0.5) / M) ** 2


def sharpness(block_size: int) -> float:
    """Return s, the largest logit at the start: the longer the block, the more there is to beat."""
    return 8.0 + 1.5 * max(0.0, math.log(block_size / 64))


def looking_back(n_head: int) -> int:
    """Return how many heads of a block look back by a set distance."""
    return max(1, n_head - math.ceil(n_head / 6))


@torch.no_grad()
def see_positions(model: GPT) -> None:
    """Write sinusoids into the model's positions, and heads that read them into its blocks.

    Nothing is drawn. The first `position_channels` of the token rows must be made zero by whoever
    draws these. Raises `InputError` when the shape cannot hold positions.
    """
    config = model.config
    P = position_channels(config)
    hs = config.n_embd // config.n_head
    omega = frequencies(P)
    angle = torch.arange(config.block_size)[:, None] * omega  # (T, M)
    positions = model.transformer.wpe.weight
    positions[:, :P] = AMPLITUDE * torch.cat([angle.cos(), angle.sin()], dim=1)
    # A LayerNorm leaves the sinusoids an amplitude of about √2: a sum of 2 cos(…) over M of them.
    gain = math.sqrt(sharpness(config.block_size) * math.sqrt(hs) / P)
    for block in model.transformer.h:  # by its own name, which minGPT's has too
        # (C, 3 C) seen as query, key, value of each head: (3, nh, hs, C)
        weight = cast(Block, block).attn.c_attn.weight.view(3, config.n_head, hs, config.n_embd)
        for head in range(looking_back(config.n_head)):
            weight[:2, head] *= OTHERS
            weight[:2, head, :, :P] = 0.0
            weight[0, head, :P, :P] = gain * turn(-(head + 1) * omega)
            weight[1, head, :P, :P] = gain * torch.eye(P)


def turn(angles: Tensor) -> Tensor:
    """Return the matrix (2 M, 2 M) that takes [cos a, sin a] to [cos(a + angles), sin(a + angles)].

    `angles` (M,) in radians.
    """
    cos, sin = angles.cos().diag(), angles.sin().diag()
    return torch.cat([torch.cat([cos, -sin], dim=1), torch.cat([sin, cos], dim=1)])
