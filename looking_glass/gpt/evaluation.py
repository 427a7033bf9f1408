"""What a model makes of a text beyond its mean loss: by length of context, and without parts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.statistics import grouped_error, standard_error
from looking_glass.text.corpus import Tokens
from looking_glass.text.sample import Text, runs_of

CONTEXTS = 256  # read at once, where the last position alone has logits: 51 MB of them
Part = Literal["attn", "mlp"]


@torch.no_grad()
def context_losses(model: GPT, tokens: Tokens, places: Sequence[int], length: int) -> Tensor:
    """Return -log p in nats of the token at each of `places`, given the `length` before it: (N,).

    Such a context starts at the model's first position, whatever stands before it in the text.
    """
    found = []
    for some in torch.split(torch.tensor(places), CONTEXTS):
        stretches = tokens[(some[:, None] + torch.arange(-length, 1)).numpy()]
        ids = torch.from_numpy(stretches.astype(np.int64)).to(model.device)  # (n, length + 1)
        logits = model.lm_head(model.hidden(model.embed(ids[:, :-1]))[:, -1])  # (n, V)
        found.append(F.cross_entropy(logits, ids[:, -1], reduction="none"))
    return torch.cat(found).cpu()


def losses_without(model: GPT, text: Text, blocks: Sequence[int], part: Part) -> Tensor:
    """Return `token_losses` when what one part of these blocks adds is left out: (N,)."""
    with ExitStack() as stack:
        for block in blocks:
            module = getattr(model.transformer.blocks[block], part)
            handle = module.register_forward_hook(lambda _module, _in, out: torch.zeros_like(out))
            stack.callback(handle.remove)
        return token_losses(model, text)


@torch.no_grad()
def token_losses(model: GPT, text: Text) -> Tensor:
    """Return -log p in nats of all tokens that `mean_loss` scores, read as it reads them: (N,)."""
    T, runs, done = model.config.block_size, runs_of(text), 0
    # Written into one array: small ones kept between logits would leave no hole that the next
    # logits fit into, and memory would grow by 13 MB a block.
    losses = torch.empty(sum(len(run) - 1 for run in runs), device=model.device)
    for run in runs:
        ids = torch.from_numpy(run.astype(np.int64)).to(model.device)
        for start in range(0, len(ids) - 1, T):
            piece = ids[start : start + T + 1]
            some = F.cross_entropy(model(piece[None, :-1])[0], piece[1:], reduction="none")
            losses[done : done + len(some)] = some
            done += len(some)
    return losses.double().cpu()


def context_lengths(block_size: int) -> list[int]:
    """Return 1, 2, 4, … and the block's size."""
    doubled = [2**power for power in range(block_size.bit_length()) if 2**power < block_size]
    return [*doubled, block_size]


def context_table(model: GPT, tokens: Tokens, places: Sequence[int]) -> pd.DataFrame:
    """Return a row per length of context: the mean loss of the token after it, in nats.

    All lengths are asked about the tokens at the same `places`, each with a whole block before it.
    `change` is the mean difference from the next shorter context, `change_error` its
    standard error: of pairs, for a token that is hard is hard after any context.
    """
    rows: list[dict[str, float]] = []
    before: Tensor | None = None
    for length in context_lengths(model.config.block_size):
        losses = context_losses(model, tokens, places, length).double()
        change = losses - before if before is not None else torch.zeros_like(losses)
        rows.append(
            {
                "length": length,
                "loss": float(losses.mean()),
                "standard_error": standard_error(losses),
                "change": float(change.mean()),
                "change_error": standard_error(change),
                "tokens": len(losses),
            }
        )
        before = losses
    return pd.DataFrame(rows)


def part_table(model: GPT, text: Text) -> pd.DataFrame:
    """Return the loss on `text` without each block's attention, and without its MLP: nats/token.

    The last row is without any block's attention, and without any block's MLP. The errors are the
    standard errors of the change from the whole model, over blocks of text: none of one block.
    """
    layers, length = range(model.config.n_layer), model.config.block_size
    left_out = {**{str(layer + 1): [layer] for layer in layers}, "all": list(layers)}
    whole = token_losses(model, text)
    rows = []
    for name, blocks in left_out.items():
        attention = losses_without(model, text, blocks, "attn")
        mlp = losses_without(model, text, blocks, "mlp")
        rows.append(
            {
                "block": name,
                "without_attention": float(attention.mean()),
                "without_mlp": float(mlp.mean()),
                "attention_error": grouped_error(attention - whole, length),
                "mlp_error": grouped_error(mlp - whole, length),
            }
        )
    return pd.DataFrame(rows)
