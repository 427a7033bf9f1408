"""Which tokens lie near: to learned vectors among the embeddings, to a row of the output layer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT

NEAREST = 3  # tokens named for each vector
CLOUD = 2000  # of the book's most frequent tokens: what learned vectors are compared with
SAMPLE = 500  # tokens, evenly spaced in the vocabulary, that say what is usual


@torch.no_grad()
def nearest_tokens(model: GPT, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the tokens whose embeddings lie nearest to `vectors` (k, C): ids, distances (k, 3)."""
    distances = torch.cdist(vectors.to(model.device), model.transformer.wte.weight)
    nearest = distances.topk(min(NEAREST, distances.shape[1]), largest=False)
    return nearest.indices, nearest.values


@torch.no_grad()
def neighbour_distance(model: GPT, tokens: Tensor) -> float:
    """Return the median distance from the embeddings of `tokens` to the nearest other embedding."""
    rows = model.embed(tokens.to(model.device))
    nearest = torch.cdist(rows, model.transformer.wte.weight).topk(2, largest=False).values
    return float(nearest[:, 1].median())


@torch.no_grad()
def nearest_rows(model: GPT, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each of `tokens`, the other token whose output row is most alike: two of (n,).

    The second is the cosine of the two rows.
    """
    rows = F.normalize(model.lm_head.weight, dim=-1)  # (V, C)
    cosines = rows[tokens] @ rows.t()  # (n, V)
    best = cosines.scatter(1, tokens[:, None], -2.0).max(dim=1)
    return best.indices, best.values


@torch.no_grad()
def usual_row_cosine(model: GPT) -> float:
    """Return the median cosine of a token's output row with the row most alike to it."""
    V = len(model.lm_head.weight)
    tokens = torch.linspace(0, V - 1, min(SAMPLE, V)).round().long()
    return float(nearest_rows(model, tokens.to(model.device))[1].median())
