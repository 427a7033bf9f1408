"""The first token as a sink: attention that goes there because it has to go somewhere.

A row of attention sums to 1 even where a head has nothing to look for. Models learn to leave the
rest on one place, most often the first token, whose value they keep small, so that what is left
there does nothing. Sources: Gu et al. 2025, When Attention Sink Emerges in Language Models; Barbero
et al. 2025, Why Do LLMs Attend to the First Token?
"""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.contexts import Case
from looking_glass.attention.patterns import Trace, trace
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.statistics import mean_interval


@torch.no_grad()
def sink_table(
    model: GPT, cases: list[Case], before: list[int], compute: ComputeParams
) -> pd.DataFrame:
    """Return a row per block: what the choosing rows leave on the first token, means over cases.

    `share` is the first token's, mean over heads, with its 95 % interval, and `even` what attention
    that is the same everywhere would leave there. `value_ratio` is the length of the first token's
    value over the mean of the other tokens', `carried_ratio` the same of what heads carry, share
    times length, beside an average token's. With the tokens `before` put in front, a paragraph
    break, `break_share` is what the break gets, `break_even` its even share, and `share_behind`
    what is left for the token that was first. Contexts that the block cannot hold then are left
    out there.
    """
    front = torch.tensor([before], device=model.device)

    def alone(case: Case) -> dict[str, Tensor]:
        return _numbers(trace(model, model.embed(case.choices.contexts)))

    def after_break(case: Case) -> dict[str, Tensor]:
        tokens = torch.cat([front, case.choices.contexts], dim=1)
        return _behind(trace(model, model.embed(tokens)), len(before))

    fit = [case for case in cases if case.length + len(before) <= model.config.block_size]
    known = side_by_side(alone, cases, compute)
    behind = side_by_side(after_break, fit, compute)
    even = sum(1 / c.length for c in cases) / len(cases)
    rows = []
    for block in range(model.config.n_layer):
        share, low, high = mean_interval([float(one["share"][block]) for one in known])
        row: dict[str, object] = {
            "block": block + 1,
            "share": share,
            "share_low": low,
            "share_high": high,
            "even": even,
        }
        for name in ("value_ratio", "carried_ratio"):
            row[name] = mean_interval([float(one[name][block]) for one in known])[0]
        row["break_even"] = mean_interval([len(before) / (len(before) + c.length) for c in fit])[0]
        for name in ("break_share", "share_behind"):
            row[name] = mean_interval([float(one[name][block]) for one in behind])[0]
        rows.append(row)
    return pd.DataFrame(rows)


def _numbers(traced: Trace) -> dict[str, Tensor]:
    """Return of each block the first token's share and lengths beside the others': each (L,)."""
    rows = torch.stack([pattern[0, :, -1] for pattern in traced.patterns])  # (L, nh, T)
    lengths = torch.stack([value[0].norm(dim=-1) for value in traced.values])  # (L, nh, T)
    sent = rows * lengths
    return {
        "share": rows[..., 0].mean(dim=1),
        "value_ratio": (lengths[..., 0] / lengths[..., 1:].mean(dim=-1)).mean(dim=1),
        "carried_ratio": (sent[..., 0] / sent[..., 1:].mean(dim=-1)).mean(dim=1),
    }


def _behind(traced: Trace, n: int) -> dict[str, Tensor]:
    """Return of each block the share of the first n tokens, and of the one after them: (L,)."""
    rows = torch.stack([pattern[0, :, -1].mean(dim=0) for pattern in traced.patterns])  # (L, T)
    return {"break_share": rows[:, :n].sum(dim=1), "share_behind": rows[:, n]}
