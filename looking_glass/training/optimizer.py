"""The optimizers of a run, and the learning rate of each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from looking_glass.training.learner import Learner
from looking_glass.training.muon import Muon
from looking_glass.training.params import TrainParams


def rate_factor(step: int, params: TrainParams) -> float:
    """Return the share of its peak that every rate has at update `step` (from 0).

    A linear warm-up, then a cosine to zero.
    """
    if step < params.warmup_steps:
        return (step + 1) / params.warmup_steps
    progress = (step - params.warmup_steps) / (params.steps - params.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizers(learner: Learner, params: TrainParams) -> list[torch.optim.Optimizer]:
    """Return Muon for the blocks' matrices and AdamW for all else, or AdamW alone.

    The blocks' matrices decay by `weight_decay`, but for those that make query, key and value;
    token embeddings by `embedding_decay`; positions, biases and LayerNorms not at all. Each group
    knows its peak rate as `peak`.
    """
    tables = _ids(learner.inputs, learner.outputs)
    in_blocks = _ids(*learner.model.transformer.h)
    learned = [p for p in learner.parameters() if p.requires_grad]
    matrices = [p for p in learned if id(p) in in_blocks and p.ndim == 2]
    # What heads look for starts with a meaning, and decay would take it from them.
    named = dict(learner.model.transformer.h.named_parameters())
    kept = [p for name, p in named.items() if name.endswith("c_attn.weight")]
    decayed = [p for p in matrices if id(p) not in {id(q) for q in kept}]
    chosen = {id(p) for p in matrices}
    groups = [
        {
            "params": [p for p in learned if id(p) in tables],
            "weight_decay": params.embedding_decay,
        },
        {
            "params": [p for p in learned if id(p) not in tables | chosen],
            "weight_decay": 0.0,
        },
    ]
    of_blocks = [
        {"params": decayed, "weight_decay": params.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if params.optimizer == "muon":
        optimizers.append(Muon(of_blocks, lr=params.matrix_rate))
    else:
        groups += of_blocks
    betas = (0.9, 0.99)
    optimizers.append(torch.optim.AdamW(groups, lr=params.learning_rate, betas=betas, fused=True))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _ids(*modules: nn.Module) -> set[int]:
    return {id(parameter) for module in modules for parameter in module.parameters()}


def set_rates(optimizers: list[torch.optim.Optimizer], step: int, params: TrainParams) -> None:
    """Give every group of parameters its rate for update `step` (from 0)."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate_factor(step, params)
