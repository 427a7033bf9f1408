"""Draw one token from each of many distributions, at uniform numbers given beforehand.

A token is found in three steps, as if by the digits of its number: along the whole vocabulary at
once, rare tokens would all lie closer together than rounding is fine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT

DIGITS = 3
LOGITS = 64  # rows of logits in memory at once: 13 MB of 50,257 each
ROWS = 8  # distributions worked on at once: as many as a processor's cache holds


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is drawn from: the model's distribution at a temperature, and its tail cut off."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def logits(self, logits: Tensor) -> Tensor:
        """Return the logits to draw from, −inf where nothing is: (…, V) → (…, V).

        Temperature comes first, then the k most probable, then of those the fewest that hold at
        least `top_p` of what is left (Holtzman et al. 2020). Ties at the k-th place are all kept.
        """
        if self.temperature != 1:
            logits = logits / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            smallest_kept = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < smallest_kept, -math.inf)
        if self.top_p is not None and self.top_p < 1:
            ordered, order = logits.sort(dim=-1, descending=True, stable=True)
            probs = ordered.softmax(dim=-1)
            before = probs.cumsum(dim=-1) - probs  # what the more probable ones hold already
            ordered = ordered.masked_fill(before >= self.top_p, -math.inf)
            logits = torch.empty_like(logits).scatter_(-1, order, ordered)
        return logits


class Step(NamedTuple):
    """What one step drew for each of B sequences."""

    tokens: Tensor  # (B,)
    log_probs: Tensor  # (B,) under the model
    sampling_log_probs: Tensor  # (B,)
    entropies: Tensor  # (B,) nats, of what was drawn from
    margins: Tensor  # (B,) how far the numbers were from the edge to another token, at least


def draw_tokens(model: GPT, hidden: Tensor, uniforms: Tensor | None, sampling: Sampling) -> Step:
    """Draw a token for each of hidden states (B, C) at its uniform numbers (B, DIGITS) in [0, 1).

    Without numbers the most probable one is taken.
    """
    steps = []
    for first in range(0, len(hidden), LOGITS):
        logits = model.lm_head(hidden[first : first + LOGITS]).cpu()  # (rows, V)
        for start in range(0, len(logits), ROWS):
            place = slice(first + start, first + start + ROWS)
            numbers = None if uniforms is None else uniforms[place]
            steps.append(_draw(logits[start : start + ROWS], numbers, sampling))
    return Step(*(torch.cat(column) for column in zip(*steps, strict=True)))


def _draw(logits: Tensor, uniforms: Tensor | None, sampling: Sampling) -> Step:
    adjusted = sampling.logits(logits)
    shifted = adjusted - adjusted.amax(dim=-1, keepdim=True)
    weights = shifted.exp()
    total = weights.sum(dim=-1).double()
    if uniforms is None:
        tokens, margins = logits.argmax(dim=-1), torch.ones_like(total)
    else:
        tokens, margins = _invert(weights, uniforms)
    at = tokens[:, None]
    drawn_from = own = shifted.gather(1, at)[:, 0].double() - total.log()
    if adjusted is not logits:
        own = logits.gather(1, at)[:, 0].double() - logits.double().logsumexp(dim=-1)
        shifted = shifted.clamp(min=-1e4)  # 0 times −inf is no number
    spread = torch.linalg.vecdot(weights, shifted).double()
    return Step(
        tokens=tokens,
        log_probs=own,
        sampling_log_probs=drawn_from,
        entropies=total.log() - spread / total,
        margins=margins,
    )


def _invert(weights: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Return which of weights (B, V) is at uniform numbers (B, DIGITS), and how clearly: (B,) each.

    How clearly is the least distance of a number from another entry's, in what it is a share of.
    """
    B, V = weights.shape
    base = math.ceil(V ** (1 / DIGITS))
    left = F.pad(weights, (0, base**DIGITS - V))
    entry = torch.zeros(B, dtype=torch.long)
    clear = torch.ones(B, dtype=torch.float64)
    for digit in range(DIGITS):
        left = left.view(B, base, -1)
        place, margin = _first_above(left.sum(dim=-1).double().cumsum(dim=-1), uniforms[:, digit])
        left = left[torch.arange(B), place]  # (B, base ** (digits to come))
        entry, clear = entry * base + place, torch.minimum(clear, margin)
    return entry, clear


def _first_above(sums: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first place where sums (B, n) exceed a share (B,) of their last, and how clearly.

    Rounding may leave a target at the very end: there the last entry with any weight is meant, the
    first at which the sum is as large as it gets.
    """
    total = sums[:, -1:]
    targets = uniforms[:, None] * total
    found = torch.searchsorted(sums, targets, right=True)
    found = torch.minimum(found, sums.argmax(dim=-1, keepdim=True))
    edges = torch.cat([F.pad(sums, (1, 0)).gather(1, found), sums.gather(1, found)], dim=1)
    clear = ((edges - targets).abs() / total).amin(dim=1)
    return found[:, 0], clear
