"""Causal attention over short sequences, with its gradient written out: for training on a CPU.

PyTorch's fused attention never holds a pattern whole, which a long sequence needs. A short one's
patterns fit in the processor's cache, and plain products of matrices are then faster, above all on
the way back; queries, keys and values stay in the one tensor that they were made in.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LONGEST = 128  # positions


def is_for(packed: Tensor) -> bool:
    """Return whether attention over `packed` (B, T, 3C) may and should be computed so."""
    return (
        packed.shape[1] <= LONGEST
        and packed.device.type == "cpu"
        and packed.dtype == torch.float32
        and packed.requires_grad
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


def short_attention(packed: Tensor, n_head: int) -> Tensor:
    """Return what the heads gather, side by side: (B, T, 3C) → (B, T, C).

    `packed` holds queries, keys and values, each of all heads.
    """
    mixed: Tensor = ShortAttention.apply(packed, n_head)  # type: ignore[no-untyped-call]
    return mixed


class ShortAttention(torch.autograd.Function):
    """softmax(Q Kᵀ / √hs) V of every head, where a position sees itself and what came before."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, n_head: int) -> Tensor:
        """Return what the heads gather, and keep their patterns."""
        B, T, width = packed.shape
        hs = width // (3 * n_head)
        heads = packed.view(B, T, 3, n_head, hs).permute(2, 0, 3, 1, 4)
        heads = heads.reshape(3, B * n_head, T, hs)
        query, key, value = heads
        later = packed.new_full((T, T), -math.inf).triu_(1)
        scores = torch.baddbmm(later, query, key.transpose(1, 2), alpha=1 / math.sqrt(hs))
        pattern = torch.softmax(scores, dim=-1, out=scores)
        ctx.save_for_backward(heads, pattern)
        mixed = (pattern @ value).view(B, n_head, T, hs)
        side_by_side: Tensor = mixed.transpose(1, 2).reshape(B, T, width // 3)
        return side_by_side

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by `packed`."""
        heads, pattern = ctx.saved_tensors
        query, key, value = heads
        (B, T, C), hs = grad.shape, query.shape[-1]
        grad = grad.view(B, T, -1, hs).transpose(1, 2).reshape(query.shape)
        by_heads = torch.empty_like(heads)
        by_pattern = grad @ value.transpose(1, 2)
        # The softmax's: p (g - Σ p g), with g by the pattern.
        by_pattern.mul_(pattern)
        total = by_pattern.sum(dim=-1, keepdim=True)
        by_scores = by_pattern.addcmul_(pattern, total, value=-1).mul_(1 / math.sqrt(hs))
        torch.bmm(by_scores, key, out=by_heads[0])
        torch.bmm(by_scores.transpose(1, 2), query, out=by_heads[1])
        torch.bmm(pattern.transpose(1, 2), grad, out=by_heads[2])
        return by_heads.view(3, B, -1, T, hs).permute(1, 3, 0, 2, 4).reshape(B, T, 3 * C), None
