"""Text that a model writes from input embeddings or tokens, one token after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from looking_glass.gpt.decoding import Cache
from looking_glass.gpt.model import GPT
from looking_glass.text.corpus import Tokens

ASKED_EVERY = 8  # tokens, whether a text that is written will do


@torch.no_grad()
def generate_greedy(model: GPT, x: Tensor, n_tokens: int) -> Tensor:
    """Return the `n_tokens` most probable tokens, one after the other: (B, T, C) → (B, n_tokens).

    `x` are input embeddings; every chosen token is fed back as its own embedding.
    """
    chosen: list[Tensor] = []
    for _ in range(n_tokens):
        logits = model.lm_head(model.hidden(x)[:, -1])  # (B, V)
        chosen.append(logits.argmax(dim=-1))  # (B,)
        x = torch.cat([x, model.embed(chosen[-1])[:, None]], dim=1)
    return torch.stack(chosen, dim=1)


@torch.no_grad()
def continue_greedily(
    model: GPT, tokens: Sequence[int], n_tokens: int, enough: Callable[[list[int]], bool]
) -> list[int]:
    """Return `tokens` and at most `n_tokens` more, each the most probable after all before it.

    Every few tokens `enough` is asked whether these will do. Keys and values are kept, so that a
    token costs one pass over one token. Raises `ValueError` when the block cannot hold them.
    """
    cache, made = Cache(model, len(tokens) + n_tokens), list(tokens)
    for token in tokens:
        hidden = cache.feed(torch.tensor([token], device=model.device))  # (1, C)
    for index in range(1, n_tokens + 1):
        chosen = model.lm_head(hidden).argmax(dim=-1)  # (1,)
        made.append(int(chosen))
        if index == n_tokens or (index % ASKED_EVERY == 0 and enough(made)):
            break
        hidden = cache.feed(chosen)
    return made


@torch.no_grad()
def sample_tokens(model: GPT, tokens: Tensor, n_tokens: int, generator: torch.Generator) -> Tensor:
    """Return `n_tokens` drawn one after the other from the model: (B, T) → (B, n_tokens).

    They are drawn on the CPU, so that a seed gives the same ones wherever the model computes.
    """
    B, T = tokens.shape
    cache = Cache(model, T + n_tokens - 1)
    cache.keep(torch.zeros(B, dtype=torch.long, device=model.device))
    for t in range(T):
        hidden = cache.feed(tokens[:, t].to(model.device))  # (B, C)
    drawn: list[Tensor] = []
    while len(drawn) < n_tokens:
        if drawn:
            hidden = cache.feed(drawn[-1].to(model.device))
        probs = model.lm_head(hidden).cpu().softmax(dim=-1)  # (B, V)
        drawn.append(torch.multinomial(probs, 1, generator=generator)[:, 0])
    return torch.stack(drawn, dim=1)


def sample_after(
    model: GPT, text: Tokens, n_samples: int, n_tokens: int, *, seed: int
) -> list[list[int]]:
    """Return samples of at most `n_tokens`, each after one token from a random place in `text`.

    That token is not part of its sample; a sample is no longer than the block.
    """
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(len(text), (n_samples, 1), generator=generator)
    first = torch.from_numpy(text[places.numpy()].astype("int64"))
    length = min(n_tokens, model.config.block_size)
    return sample_tokens(model, first, length, generator).tolist()
