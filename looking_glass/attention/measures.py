"""What each source of a choice got and caused, by every measure. A source is a range of positions.

    attention             its share of the last row of one block, mean over heads
    knock_out             what the choice loses without that block's attention to it, nats
    knock_out_all_blocks  the same without the attention of all blocks, nats
    knock_out_every_row   the same when no later position attends to it either, in any block, nats
    replacement           by how much the choice's lead shrinks with another token there, logits
    weighted_norm         the length of what the block's heads carry from it
    direct                what that adds to the choice's log-probability, to first order, nats

Attention and the length are never negative: they can tell what mattered, not for which side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from looking_glass.attention.attribution import carried, direct, log_prob_of, parts_of
from looking_glass.attention.choices import Choices
from looking_glass.attention.contexts import Case
from looking_glass.attention.interventions import Span, all_knock_outs, replacements
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side

Measures = dict[str, Tensor]
# Of each block, (..., L, S), and of the whole model, (..., S): L blocks, S sources.
IN_BLOCK = ("attention", "knock_out", "weighted_norm", "direct")
IN_MODEL = ("knock_out_all_blocks", "knock_out_every_row", "replacement")
# In the order of tables, attention apart.
MEASURES = ("knock_out", *IN_MODEL, "weighted_norm", "direct")


@torch.no_grad()
def measure(
    model: GPT,
    choices: Choices,
    sources: list[Span],
    matched: Tensor,
) -> Measures:
    """Return every measure of each source of one choice, by `IN_BLOCK` and `IN_MODEL`.

    `matched` (V,) is the token that stands in for each.
    """
    knocked = all_knock_outs(model, choices, sources)  # (L + 2, S)
    return {
        **in_each_block(model, choices, sources),
        "knock_out": knocked[:-2],
        "knock_out_all_blocks": knocked[-2],
        "knock_out_every_row": knocked[-1],
        "replacement": replacements(model, choices, matched, sources)[0],
    }


@torch.no_grad()
def in_each_block(model: GPT, choices: Choices, sources: list[Span]) -> Measures:
    """Return what is read off one pass of one choice, nothing taken away: each (L, S)."""
    parts = parts_of(model, choices.contexts[0])
    towards = log_prob_of(model, parts, int(choices.chosen[0]))
    sent = torch.stack([carried(parts, b, sources) for b in range(model.config.n_layer)])
    rows = torch.stack([pattern[0].mean(dim=0) for pattern in choices.patterns])  # (L, T)
    return {
        "attention": torch.stack([rows[:, a:b].sum(dim=1) for a, b in sources], dim=1),
        "weighted_norm": sent.norm(dim=-1),
        "direct": direct(model, parts, sent, towards),
    }


def measure_cases(
    model: GPT, cases: list[Case], matched: Tensor, compute: ComputeParams
) -> Measures:
    """Return `measure` of the words of each of N cases: (N, L, S) and (N, S)."""
    found = side_by_side(
        lambda case: measure(model, case.choices, case.words, matched), cases, compute
    )
    return {name: torch.stack([one[name] for one in found]).cpu() for name in found[0]}


def of_block(measured: Measures, block: int) -> Measures:
    """Return the measures as one block has them, in the order of `MEASURES`, attention first."""
    found = {
        name: values.select(-2, block) if name in IN_BLOCK else values
        for name, values in measured.items()
    }
    return {name: found[name] for name in ("attention", *MEASURES)}
