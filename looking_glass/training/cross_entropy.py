"""The loss of a large output layer, with its gradient found on the way."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Logits held at once, 32 MB of float32: more, and the C library gives the memory back to the system
# after each step, to get it again page by page.
PIECE = 2**23 - 1
TINY = 1e-30  # probability


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of -log softmax(hidden weightᵀ + bias)[target], in nats.

    `hidden` (N, C), `weight` (V, C), `bias` (V,) without a gradient, `targets` (N,).
    """
    if torch.is_autocast_enabled(hidden.device.type):
        # float: the sum over so many tokens is too fine for bfloat16.
        return F.cross_entropy(F.linear(hidden, weight, bias).float(), targets)
    loss: Tensor = LinearCrossEntropy.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
    return loss


class LinearCrossEntropy(torch.autograd.Function):
    """`F.cross_entropy(F.linear(hidden, weight, bias), targets)`, with one matrix of logits.

    The gradient of this loss by the logits is their softmax, less one at the target: the logits can
    be turned into it in place, piece by piece of the batch. Autograd's own way writes and reads
    matrices of that size some six times. Source: Wijmans et al. 2024, Cut Your Losses in
    Large-Vocabulary Language Models; here without a kernel of its own.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, and keep its gradients for `backward`."""
        N, V = len(hidden), len(weight)
        rows = math.ceil(N / math.ceil(N * V / PIECE))
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        found, held = hidden.new_empty(N, 1), hidden.new_empty(rows, V)
        for start in range(0, N, rows):
            piece = slice(start, start + rows)
            inputs, target = hidden[piece], targets[piece, None]
            logits = torch.addmm(bias, inputs, weight.t(), out=held[: len(inputs)])
            probs = torch.softmax(logits, dim=1, out=logits)
            torch.gather(probs, 1, target, out=found[piece])
            probs.scatter_add_(1, target, probs.new_full(target.shape, -1.0))
            torch.mm(probs, weight, out=grad_hidden[piece])
            grad_weight.addmm_(probs.t(), inputs)
        losses = -found[:, 0].log()
        # Of a probability next to nothing float32 holds too little.
        lost = (found[:, 0] < TINY).nonzero()[:, 0]
        for some in torch.split(lost, rows):
            logits = torch.addmm(bias, hidden[some], weight.t())
            losses[some] = F.cross_entropy(logits, targets[some], reduction="none")
        ctx.save_for_backward(grad_hidden, grad_weight)
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients by `hidden` and `weight`."""
        grad_hidden, grad_weight = ctx.saved_tensors
        grad = grad / len(grad_hidden)
        return grad_hidden * grad, grad_weight * grad, None, None
