"""What a model makes of a text beyond its mean loss: by length of context, and without parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from looking_glass.gpt.loss import token_losses
from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import output_layer
from looking_glass.pipeline.params import Section
from looking_glass.pipeline.statistics import grouped_error, standard_error
from looking_glass.text.corpus import Tokens
from looking_glass.text.sample import Text

CONTEXTS = 256  # read at once
Part = Literal["attn", "mlp"]


class EvaluateParams(Section):
    """Section `evaluate`: how much of a text is read. What is left out is told."""

    tokens: int = Field(ge=2, le=1_000_000_000)  # of either part, that losses are measured on
    places: int = Field(ge=2, le=1_000_000)  # that contexts of each length are asked about

    def places_in(self, n_tokens: int, block_size: int) -> range:
        """Return at most so many places of a held-out text, each with a whole block before it.

        Of a text that has no more of them: all.
        """
        return range(block_size, n_tokens, math.ceil(n_tokens / self.places))


@torch.no_grad()
def context_losses(
    model: GPT,
    tokens: Tokens,
    places: Sequence[int],
    length: int,
) -> Tensor:
    """Return -log p in nats of the token at each of `places`, given the `length` before it: (N,).

    Such a context starts at the model's first position, whatever stands before it in the text.
    """
    output = output_layer(model)
    found = []
    for some in torch.split(torch.tensor(places), CONTEXTS):
        stretches = tokens[(some[:, None] + torch.arange(-length, 1)).numpy()]
        ids = torch.from_numpy(stretches.astype(np.int64)).to(model.device)  # (n, length + 1)
        hidden = model.hidden(model.embed(ids[:, :-1]))[:, -1]  # (n, C)
        found.append(-output.log_probs(hidden, ids[:, -1]))
    return torch.cat(found).cpu()


def losses_without(
    model: GPT,
    text: Text,
    blocks: Sequence[int],
    part: Part,
) -> Tensor:
    """Return `token_losses` when what one part of these blocks adds is left out: (N,)."""
    with ExitStack() as stack:
        for block in blocks:
            module = getattr(model.transformer.blocks[block], part)
            handle = module.register_forward_hook(lambda _module, _in, out: torch.zeros_like(out))
            stack.callback(handle.remove)
        return token_losses(model, text)


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
        losses = context_losses(model, tokens, places, length)
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
