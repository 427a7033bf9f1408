"""Contexts, their words, and what a model says of them when some were never written."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from looking_glass.attention.choices import choose
from looking_glass.attention.contexts import Case
from looking_glass.attention.interventions import Span, single
from looking_glass.attention.patterns import attention_pattern
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.yardstick.shapley import n_words

COMPUTE = ComputeParams(device="cpu", threads=1, portable=True)


def spans(lengths: list[int]) -> list[Span]:
    """Return words of so many tokens, one after the other."""
    ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
    return [(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def case_of(
    model: GPT, context: Tensor, words: list[Span] | None = None, chosen: int | None = None
) -> Case:
    """Return a case of a context (T,), each token a word of its own unless told otherwise."""
    told = None if chosen is None else torch.tensor([chosen])
    return Case(words=words or single(len(context)), choices=choose(model, context[None], told))


@torch.no_grad()
def logits_of_kept(model: GPT, context: Tensor, kept: Collection[int]) -> Tensor:
    """Return the last logits (V,) of `context` (T,) with the other positions never written.

    The kept tokens keep their positions. The last one is always there, for it makes the choice;
    where it is not kept, it does not attend to itself, and attends to nothing when alone.
    """
    last = len(context) - 1
    places = torch.tensor(sorted({*kept, last}))
    positions = model.transformer.wpe.weight
    # The model will add the first positions: the tokens' own stand in their stead.
    x = model.embed(context[places]) + positions[places] - positions[: len(places)]
    removed = torch.zeros(len(places), len(places), dtype=torch.bool)
    removed[-1, -1] = last not in kept

    def attend(_: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attention_pattern(query, key, removed).nan_to_num(0.0) @ value

    logits: Tensor = model.lm_head(model.hidden(x[None], attend)[0, -1])
    return logits


def left_out_one(values: Tensor) -> Tensor:
    """Return what is lost with each word alone left out: (..., 2^n) → (..., n)."""
    n = n_words(values)
    full = 2**n - 1
    return values[..., full, None] - values[..., full - 2 ** torch.arange(n)]
