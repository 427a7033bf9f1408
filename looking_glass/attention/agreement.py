"""How far attention can be trusted: over many contexts, beside what was measured, and chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.contexts import Case
from looking_glass.attention.measures import Measures
from looking_glass.attention.patterns import overlap, trace
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.statistics import mean_interval, rank_correlations
from looking_glass.text.corpus import Tokens

SIZE, SIGN = "size", "sign"  # what attention is compared with: the effect's size, or as it is


def controls(attention: Tensor, redrawn: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return what a block's attention (N, S) is held against, each (N, S).

    Each row shuffled; the mean of the other contexts' rows, which knows places and no words; the
    attention `redrawn` (N, S) of a model with the same words before it that learned nothing.
    """
    order = torch.rand(attention.shape, generator=generator).argsort(dim=1)
    others = (attention.sum(dim=0, keepdim=True) - attention) / (len(attention) - 1)
    return {"shuffled": attention.gather(1, order), "position": others, "redrawn": redrawn}


def agreement_table(measured: Measures, held_against: dict[str, Tensor]) -> pd.DataFrame:
    """Return how attention and each control agree with each measure: a row for each pair and kind.

    `measured` (N, S) are those of one block, `held_against` from `controls`. `kind` is `size`, the
    effect without its sign, or `sign`, the effect as it is: attention is never negative, and cannot
    tell what spoke against a choice. `correlation` is the mean over contexts of Spearman's, `low`
    and `high` its 95 % interval. `lead` is attention's mean difference from a control, pair by
    pair, with its own interval. `same_top` is the share of contexts in which both have the same
    source on top; `uniform_same_top` that of attention that is the same everywhere.
    """
    patterns = {"attention": measured["attention"], **held_against}
    rows = []
    for name, values in measured.items():
        if name == "attention":
            continue
        for kind, effects in ((SIZE, values.abs()), (SIGN, values)):
            found = {label: rank_correlations(p, effects) for label, p in patterns.items()}
            for label, pattern in patterns.items():
                mean, low, high = mean_interval(found[label])
                lead = mean_interval(found["attention"] - found[label])
                known = dict(zip(("lead", "lead_low", "lead_high"), lead, strict=True))
                rows.append(
                    {
                        "measure": name,
                        "kind": kind,
                        "pattern": label,
                        "correlation": mean,
                        "low": low,
                        "high": high,
                        **(known if label != "attention" else dict.fromkeys(known, math.nan)),
                        "same_top": mean_interval(top_agreement(pattern, effects))[0],
                        "uniform_same_top": 1 / pattern.shape[1],
                    }
                )
    return pd.DataFrame(rows)


def top_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return for each row whether its largest entry is the same in both: (N, S) twice → (N,).

    A source without a number in either is left out; NaN where none has one.
    """
    unknown = a.isnan() | b.isnan()
    tops = [values.masked_fill(unknown, -math.inf).argmax(dim=1) for values in (a, b)]
    return (tops[0] == tops[1]).double().masked_fill(unknown.all(dim=1), math.nan)


@torch.no_grad()
def pattern_overlap(
    model: GPT,
    cases: list[Case],
    block: int,
    text: Tokens,
    generator: torch.Generator,
    compute: ComputeParams,
) -> dict[str, float]:
    """Return how much of a block's last row stays when the tokens do not: means over cases.

    `of_position` is the overlap (0 to 1) of the row with what it becomes when all tokens before the
    last are replaced by some of `text` that stand in a row there. `of_content` is the same when
    they are shuffled, and each token's share is compared with its share at its new place.
    `of_neither` is chance: both at once, replaced and at another place. The last position's own
    share is left out. Each of the first two comes with the 95 % interval of its difference from
    chance, case by case.
    """
    jobs = []
    for case in cases:
        n = case.length - 1
        start = int(torch.randint(len(text) - n + 1, (1,), generator=generator))
        others = torch.from_numpy(text[start : start + n].astype(np.int64))
        jobs.append((case, others, torch.randperm(n, generator=generator)))

    def overlaps(job: tuple[Case, Tensor, Tensor]) -> dict[str, float]:
        case, others, order = job
        tokens = case.choices.contexts[0].cpu()
        replaced = torch.cat([others, tokens[-1:]])
        shuffled = torch.cat([tokens[:-1][order], tokens[-1:]])
        changed = torch.stack([replaced, shuffled]).to(model.device)
        after = trace(model, model.embed(changed)).patterns[block][:, :, -1, :-1].mean(dim=1).cpu()
        row = case.choices.patterns[block][0, :, :-1].mean(dim=0).cpu()
        followed = torch.zeros(len(order)).scatter(0, order, after[1])
        rows = {"of_position": after[0], "of_content": followed, "of_neither": after[0][order]}
        return {k: float(overlap(row / row.sum(), v / v.sum())) for k, v in rows.items()}

    found = side_by_side(overlaps, jobs, compute)
    kept = {name: np.asarray([one[name] for one in found]) for name in found[0]}
    result = {name: mean_interval(values)[0] for name, values in kept.items()}
    for name in ("of_position", "of_content"):
        _, low, high = mean_interval(kept[name] - kept["of_neither"])
        result |= {f"{name}_above_low": low, f"{name}_above_high": high}
    return result
