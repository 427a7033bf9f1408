"""What each head looks at over a whole text: how far back, and how sharply."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.patterns import trace
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.memory import FLOAT
from looking_glass.text.sample import Text, runs_of

BLOCKS = 8  # of the text, read at once, where their patterns take no more than so many bytes
PATTERNS = 2**29


def blocks_at_once(config: GPTConfig) -> int:
    """Return how many blocks of the text are read at once, with every pattern in sight."""
    patterns = FLOAT * config.n_layer * config.n_head * config.block_size**2
    return max(1, min(BLOCKS, PATTERNS // patterns))


@torch.no_grad()
def distance_shares(model: GPT, text: Text) -> Tensor:
    """Return each head's mean attention to the token so many positions back: (L, nh, T / 2).

    Over every whole block of the text, and in each over the second half of its rows, all of which
    have that many tokens to look back at.
    """
    T = model.config.block_size
    whole = [run[: len(run) // T * T].astype(np.int64).reshape(-1, T) for run in runs_of(text)]
    ids = torch.from_numpy(np.concatenate(whole))  # (blocks, T)
    rows = torch.arange(T - T // 2, T)
    back = rows[:, None] - torch.arange(T // 2)  # (rows, distances): the position attended to
    total = torch.zeros(model.config.n_layer, model.config.n_head, T // 2, dtype=torch.float64)
    for some in torch.split(ids.to(model.device), blocks_at_once(model.config)):
        for layer, pattern in enumerate(trace(model, model.embed(some)).patterns):
            shares = pattern.cpu()[:, :, rows[:, None], back]  # (B, nh, rows, distances)
            total[layer] += shares.double().mean(dim=2).sum(dim=0)
    return total / len(ids)


def head_habits(model: GPT, text: Text) -> pd.DataFrame:
    """Return a row per block and head: the distance it looks back most at, and with what share.

    `even` is the share of every distance in attention that is the same everywhere.
    """
    shares = distance_shares(model, text)
    T = model.config.block_size
    even = float(np.mean([1 / (row + 1) for row in range(T - T // 2, T)]))
    n_heads = shares.shape[1]
    return pd.DataFrame(
        {
            "block": layer + 1,
            "head": head + 1,
            "distance": int(shares[layer, head].argmax()),
            "share": float(shares[layer, head].max()),
            "share_on_previous": float(shares[layer, head, 1]),
            "share_on_itself": float(shares[layer, head, 0]),
            "even": even,
        }
        for layer in range(len(shares))
        for head in range(n_heads)
    )
