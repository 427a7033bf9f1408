"""A model that learned nothing, as like a trained one as can be: what claims are held against.

Source of the check: Adebayo et al. 2018, Sanity Checks for Saliency Maps.
"""

from __future__ import annotations

import copy

import torch

from looking_glass.gpt.model import GPT


@torch.no_grad()
def redrawn(model: GPT, generator: torch.Generator) -> GPT:
    """Return the model with every matrix drawn anew, from a normal law with its mean and spread.

    Biases and LayerNorms stay. Drawn on the CPU, so that a seed gives the same everywhere.
    """
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        if parameter.ndim >= 2:
            old = parameter.cpu().double()
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(drawn * float(old.std()) + float(old.mean()))
    return other
