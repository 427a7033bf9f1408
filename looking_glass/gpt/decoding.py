"""Draw sentences from a model: many side by side, each as it would be drawn alone.

Every draw inverts cumulative distributions at uniform numbers of its own, so that a sentence hangs
on its row of numbers and not on who is drawn beside it. Yet matrix products of another shape round
otherwise, and a number at the very edge between two tokens may fall to either side: a sentence with
a draw so close is drawn once more, alone. To keep edges few and far apart, a token is found in
three steps, as if by the digits of its number: along the whole vocabulary at once, rare tokens
would all lie closer together than rounding is fine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT

DIGITS = 3
LOGITS = 64  # rows of logits in memory at once: 13 MB of 50,257 each
ROWS = 8  # distributions worked on at once: as many as a processor's cache holds
EDGE = 5e-6  # of probability: twice the most that rounding was seen to move such a distribution
SPARSE = 0.75  # when fewer sequences than this are left, the finished ones are let go


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is drawn from: the model's distribution, sharpened, and its tail cut off."""

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


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One sentence's tokens, drawn one after the other, N of them."""

    tokens: list[int]  # (N,)
    log_probs: Tensor  # (N,) under the model, as seen while drawing
    sampling_log_probs: Tensor  # (N,) under the distribution that was really drawn from
    entropies: Tensor  # (N,) nats: of that distribution, at each step


class Cache:
    """A model that is fed one token of each of B sequences at a time: it keeps keys and values."""

    def __init__(self, model: GPT, length: int) -> None:
        """Make room for `length` tokens of one sequence."""
        config = model.config
        shape = (config.n_layer, 1, config.n_head, length, config.n_embd // config.n_head)
        self.model, self.length = model, 0
        like = model.transformer.wte.weight
        self.keys, self.values = (like.new_empty(shape) for _ in range(2))

    @torch.no_grad()
    def feed(self, tokens: Tensor) -> Tensor:
        """Return the last LayerNorm's output for the next token of each: (B,) → (B, C)."""
        t = self.length

        def attend(block: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            self.keys[block, :, :, t : t + 1], self.values[block, :, :, t : t + 1] = key, value
            keys, values = (kept[block, :, :, : t + 1] for kept in (self.keys, self.values))
            return F.scaled_dot_product_attention(query, keys, values)  # (B, nh, 1, hs)

        hidden = self.model.hidden(self.model.embed(tokens)[:, None], attend, start=t)  # (B, 1, C)
        self.length = t + 1
        return hidden[:, 0]

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the sequences, in this order; a row may come more than once."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


class Step(NamedTuple):
    """What one step drew for each of B sequences."""

    tokens: Tensor  # (B,)
    log_probs: Tensor  # (B,) under the model
    sampling_log_probs: Tensor  # (B,)
    entropies: Tensor  # (B,) nats, of what was drawn from
    margins: Tensor  # (B,) how far the numbers were from the edge to another token, at least


def draw(model: GPT, hidden: Tensor, uniforms: Tensor | None, sampling: Sampling) -> Step:
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


@torch.no_grad()
def draw_sentences(
    model: GPT,
    prompt: Sequence[int],
    uniforms: Tensor | None,
    sampling: Sampling,
    pieces: Sequence[str],
    ended: Callable[[str], bool],
    n_tokens: int,
) -> list[Drawn]:
    """Draw a sentence after `prompt` for each of uniforms (B, n_tokens, DIGITS), or one greedily.

    A sentence is over when `ended` says so of its text, put together from `pieces` (V,), or after
    `n_tokens` tokens. The prompt has a token or more, and all but the last token fit in the block.
    """
    B = 1 if uniforms is None else len(uniforms)
    cache = Cache(model, len(prompt) + n_tokens - 1)
    for token in prompt:
        hidden = cache.feed(torch.tensor([token], device=model.device))
    cache.keep(torch.zeros(B, dtype=torch.long, device=model.device))
    hidden = hidden.expand(B, -1)
    rows = torch.arange(B)  # which sentence each row of the cache is
    texts = [""] * B
    steps: list[list[tuple[int, float, float, float]]] = [[] for _ in range(B)]
    close: set[int] = set()
    alive = torch.ones(B, dtype=torch.bool)
    for t in range(n_tokens):
        numbers = None if uniforms is None else uniforms[rows, t]
        step = draw(model, hidden, numbers, sampling)
        near = step.margins < EDGE
        columns = (step.tokens, step.log_probs, step.sampling_log_probs, step.entropies, near)
        for row, *values, edge in zip(rows.tolist(), *(c.tolist() for c in columns), strict=True):
            if alive[row]:
                steps[row].append(tuple(values))
                texts[row] += pieces[values[0]]
                alive[row] = not ended(texts[row])
                if edge:
                    close.add(row)
        left = alive[rows]
        if not left.any() or t + 1 == n_tokens:
            break
        tokens = step.tokens
        if left.float().mean() < SPARSE:
            kept = left.nonzero()[:, 0]
            cache.keep(kept.to(model.device))
            rows, tokens = rows[kept], tokens[kept]
        hidden = cache.feed(tokens.to(model.device))
    drawn = [_drawn(found) for found in steps]
    if uniforms is not None and B > 1:
        for row in sorted(close):
            alone = uniforms[row : row + 1]
            (drawn[row],) = draw_sentences(model, prompt, alone, sampling, pieces, ended, n_tokens)
    return drawn


def _drawn(steps: list[tuple[int, float, float, float]]) -> Drawn:
    tokens, own, drawn_from, entropies = zip(*steps, strict=True)
    return Drawn(
        tokens=list(tokens),
        log_probs=torch.tensor(own, dtype=torch.float64),
        sampling_log_probs=torch.tensor(drawn_from, dtype=torch.float64),
        entropies=torch.tensor(entropies, dtype=torch.float64),
    )
