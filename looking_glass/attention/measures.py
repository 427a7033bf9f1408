"""What each source of a choice got and caused, by every measure. A source is a range of positions.

    attention             its share of the last row of one block, mean over heads
    knock_out             what the choice loses without that block's attention to it, nats
    knock_out_all_blocks  the same without the attention of all blocks, nats
    replacement           by how much the choice's lead shrinks with another token there, logits
    weighted_norm         the length of what the block's heads carry from it
    direct                what that adds to the chosen token's logit

The third and the fourth are the same whichever block is looked at: they are measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from looking_glass.attention.attribution import carried, direct, parts_of
from looking_glass.attention.choices import Choices
from looking_glass.attention.interventions import Span, knock_outs, replacements, single
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side

Measures = dict[str, Tensor]  # each (N, S): contexts by sources
MEASURES = ("knock_out", "knock_out_all_blocks", "replacement", "weighted_norm", "direct")
SHARES = 8  # of the contexts, worked on side by side


@torch.no_grad()
def measure_block(
    model: GPT, choices: Choices, block: int, sources: Sequence[Span] | None = None
) -> Measures:
    """Return each source's attention in one block, and what that block owes to it."""
    spans = sources or single(choices.contexts.shape[1])
    row = choices.patterns[block].mean(dim=1)  # (N, T)
    norms, added = [], []
    for context, chosen in zip(choices.contexts, choices.chosen, strict=True):
        parts = parts_of(model, context)
        sent = carried(parts, block, spans)  # (S, C)
        norms.append(sent.norm(dim=-1))
        added.append(direct(model, parts, sent, int(chosen)))
    return {
        "attention": torch.stack([row[:, start:stop].sum(dim=1) for start, stop in spans], dim=1),
        "knock_out": knock_outs(model, choices, [block], sources=spans),
        "weighted_norm": torch.stack(norms),
        "direct": torch.stack(added),
    }


def measure_model(
    model: GPT, choices: Choices, matched: Tensor, sources: Sequence[Span] | None = None
) -> Measures:
    """Return what the choice owes to each source in the whole model, by either intervention.

    `matched` (V,) is the token that stands in for each.
    """
    blocks = list(range(model.config.n_layer))
    return {
        "knock_out_all_blocks": knock_outs(model, choices, blocks, sources=sources),
        "replacement": replacements(model, choices, matched, sources),
    }


def in_order(*measured: Measures) -> Measures:
    """Return several measures as one, in the order of `MEASURES`, attention first."""
    found = {name: values for one in measured for name, values in one.items()}
    return {name: found[name] for name in ("attention", *MEASURES)}


def in_shares(
    measure: Callable[[Choices], Measures], choices: Choices, compute: ComputeParams
) -> Measures:
    """Return `measure` of many choices, shares of them worked on side by side."""
    shares = side_by_side(measure, choices.chunk(SHARES), compute)
    return {name: torch.cat([share[name] for share in shares]) for name in shares[0]}
