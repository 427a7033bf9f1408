"""A sentence to be said, and what was found for it in each reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from looking_glass.inversion.ceiling import Ceilings
from looking_glass.inversion.judging import Verdict
from looking_glass.inversion.optimiser import Inversion
from looking_glass.inversion.readings import Reading


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """A sentence to be said, and what was found for it in each reading."""

    name: str  # "sentence", "control_1", …, "random"
    text: str
    tokens: list[int]
    ceilings: Ceilings
    found: Mapping[Reading, Inversion]
    verdicts: Mapping[Reading, Verdict]


def best_restart(verdict: Verdict) -> int:
    """Return the restart with the lowest loss, of those that are exact if there are any."""
    gains = verdict.log_probs.mean(dim=1)
    if verdict.exact.any():
        gains = gains.masked_fill(~verdict.exact, -torch.inf)
    return int(gains.argmax())
