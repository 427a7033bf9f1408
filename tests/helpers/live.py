"""The weights that the page with the model in it computes with."""

from __future__ import annotations

import numpy as np
import torch

from looking_glass.gpt.model import GPT
from looking_glass.report.live.packing import Mask, pack, unpacked


def page_weights(model: GPT, met: Mask, most: int) -> None:
    """Put the weights as the page has them in the place of the model's own."""
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    packed = pack(weights, np.asarray(met), model.config.tie_weights, most)
    as_packed = unpacked(weights, packed, np.asarray(met))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in as_packed.items()})
