"""Draw sentences from a model: many side by side, each as it would be drawn alone.

Every draw inverts cumulative distributions at uniform numbers of its own, so that a sentence hangs
on its row of numbers and not on who is drawn beside it. Yet matrix products of another shape round
otherwise, and a number at the very edge between two tokens may fall to either side: a sentence with
a draw so close is drawn once more, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.gpt.sampling import Sampling, draw_tokens

EDGE = 5e-6  # of probability: twice the most that rounding was seen to move such a distribution
SPARSE = 0.75  # when fewer sequences than this are left, the finished ones are let go


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn for one sentence, N tokens one after the other: its own, and a look ahead."""

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


@torch.no_grad()
def draw_sentences(
    model: GPT,
    prompt: Sequence[int],
    uniforms: Tensor | None,
    sampling: Sampling,
    pieces: Sequence[bytes],
    ended: Callable[[bytes], bool],
    n_tokens: int,
) -> list[Drawn]:
    """Draw a sentence after `prompt` for each of uniforms (B, n_tokens, DIGITS), or one greedily.

    Drawing is over when `ended` says so of the text so far, the bytes of `pieces` (V,) put
    together, or after `n_tokens` tokens. Whether a sentence has ended is seen from what comes after
    it: what is drawn for that is in what is returned. The prompt has a token or more, and all but
    the last token fit in the block.
    """
    B = 1 if uniforms is None else len(uniforms)
    cache = Cache(model, len(prompt) + n_tokens - 1)
    for token in prompt:
        hidden = cache.feed(torch.tensor([token], device=model.device))
    cache.keep(torch.zeros(B, dtype=torch.long, device=model.device))
    hidden = hidden.expand(B, -1)
    rows = torch.arange(B)  # which sentence each row of the cache is
    texts = [b""] * B
    steps: list[list[tuple[int, float, float, float]]] = [[] for _ in range(B)]
    close: set[int] = set()
    alive = torch.ones(B, dtype=torch.bool)
    for t in range(n_tokens):
        numbers = None if uniforms is None else uniforms[rows, t]
        step = draw_tokens(model, hidden, numbers, sampling)
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
