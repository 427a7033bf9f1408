"""What gradients say of each word of a choice.

    gradient_input        ⟨∇ log p(choice), x⟩, summed over a word's tokens (Simonyan et al. 2014;
                          Shrikumar et al. 2017)
    integrated_gradients  the same gradient averaged along the straight line from no embedding at
                          all to x, so that the words share log p(x) - log p(0) (Sundararajan et
                          al. 2017)

x are token embeddings; positions stay.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from looking_glass.attention.contexts import Case
from looking_glass.gpt.model import GPT
from looking_glass.gpt.siblings import output_layer

# Of the line, by Gauss and Legendre's rule: as near as the midpoints of sixteen equal steps.
POINTS = 10


def gradient_methods(model: GPT, case: Case, *, points: int = POINTS) -> dict[str, Tensor]:
    """Return each word's gradient × input and integrated gradients, by name: (n,) each.

    The latter sum to log p(choice) less its value with no token embedding, up to the rule's error.
    Both come from one pass over the points of the line and its end.
    """
    x = model.embed(case.choices.contexts)  # (1, T, C)
    nodes, weights = (
        torch.from_numpy(one).to(x) for one in np.polynomial.legendre.leggauss(points)
    )
    along = torch.cat([(nodes + 1) / 2, nodes.new_ones(1)])
    gradients = _gradients(model, along[:, None, None] * x, case)  # (points + 1, T, C)
    mean = (weights[:, None, None] / 2 * gradients[:-1]).sum(dim=0)
    return {
        "gradient_input": _by_word(case, gradients[-1] * x[0]),
        "integrated_gradients": _by_word(case, mean * x[0]),
    }


def _gradients(model: GPT, x: Tensor, case: Case) -> Tensor:
    """Return the gradient of log p(choice) at input embeddings: (B, T, C) → (B, T, C)."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)
        last = model.hidden(x)[:, -1]  # (B, C)
        towards = output_layer(model).log_prob_gradients(last, int(case.choices.chosen[0]))
        (found,) = torch.autograd.grad(last, x, towards)
    return found


def _by_word(case: Case, values: Tensor) -> Tensor:
    """Return the sum over each word's tokens and all channels: (T, C) → (n,)."""
    return torch.stack([values[start:stop].sum() for start, stop in case.words])
