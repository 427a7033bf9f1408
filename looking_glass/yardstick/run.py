"""What the stage `yardstick` does, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from looking_glass.attention.contexts import Case, seen_by
from looking_glass.attention.interventions import replaceable
from looking_glass.attention.redrawn import redrawn
from looking_glass.attention.run import kept
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.memory import require
from looking_glass.pipeline.statistics import finite
from looking_glass.yardstick import memory
from looking_glass.yardstick.coalitions import removed_values, replaced_values
from looking_glass.yardstick.methods import ALL, all_methods, from_gradients
from looking_glass.yardstick.table import (
    REMOVED,
    REPLACED,
    exact_worth,
    method_table,
    word_table,
)

Values = dict[str, Tensor]  # by way: (N, 2^n) nats


def all_values(model: GPT, cases: list[Case], matched: Tensor, compute: ComputeParams) -> Values:
    """Return log p(choice) for every set of each case's words, by either way: (N, 2^n).

    All cases have equally many words. Raises `InputError` when memory will not suffice.
    """
    needs = memory.moments(
        model.config,
        [case.length for case in cases],
        n_words=len(cases[0].words),
        threads=compute.threads,
    )
    require(needs, model.device, stage="yardstick", keys=memory.KEYS)

    def of(case: Case) -> Values:
        context, chosen = case.choices.contexts[0], int(case.choices.chosen[0])
        return {
            REMOVED: removed_values(model, context, case.words, chosen),
            REPLACED: replaced_values(model, context, matched[context], case.words, chosen),
        }

    found = side_by_side(of, cases, compute)
    return {way: torch.stack([one[way] for one in found]).cpu() for way in found[0]}


def no_stand_in(cases: list[Case], matched: Tensor) -> Tensor:
    """Return which words of each case nothing can stand in for: (N, n), bool."""
    return torch.stack([~replaceable(c.choices.contexts[0], matched, c.words).cpu() for c in cases])


def judge_methods(
    model: GPT,
    cases: list[Case],
    values: Values,
    matched: Tensor,
    once: Mapping[str, npt.NDArray[Any]],
    generator: torch.Generator,
    compute: ComputeParams,
) -> pd.DataFrame:
    """Return how close each method comes to the exact answer; `once` is from stage `choose`.

    `generator` is as it was after the cases were drawn, so that the model that learned nothing is
    the one of stage `choose`.
    """
    other = redrawn(model, generator)
    scores = []
    for one, of, seen in (
        (model, "contexts", cases),
        (other, "redrawn", seen_by(other, cases, compute)),
    ):
        extra = side_by_side(functools.partial(from_gradients, one), seen, compute)
        stacked = {name: torch.stack([e[name] for e in extra]).cpu() for name in extra[0]}
        scores.append(all_methods(kept(once, of), stacked, generator))
    worth = exact_worth(values, no_stand_in(cases, matched))
    return method_table(scores[0], values, worth, scores[1])


def judge_sentence(
    model: GPT, case: Case, texts: Sequence[str], matched: Tensor, compute: ComputeParams
) -> tuple[Values, pd.DataFrame]:
    """Return every set's value of one sentence, and what each of its words is worth, exactly."""
    values = all_values(model, [case], matched, compute)
    worth = exact_worth(values, no_stand_in([case], matched))
    first = {way: one[0] for way, one in values.items()}, {w: o[0] for w, o in worth.items()}
    return values, word_table(list(texts), *first)


def summary(table: pd.DataFrame) -> dict[str, float | None]:
    """Return the few numbers by which runs are compared; None where there is none.

    Each is a method's mean rank correlation with the size of the exact worth.
    """
    sizes: Any = table.set_index(["method", "block"])["removed_size"]
    last = str(max(int(block) for block in table["block"] if block != ALL))
    compared = {
        "first_block_attention": ("attention", "1"),
        "last_block_attention": ("attention", last),
        "knock_out": ("knock_out_every_row", ALL),
        "integrated_gradients": ("integrated_gradients", ALL),
    }
    return {f"{name}_against_exact": finite(float(sizes[key])) for name, key in compared.items()}
