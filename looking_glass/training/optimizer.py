"""AdamW, and the learning rate of each step."""

from __future__ import annotations

import math

import torch

from looking_glass.training.learner import Learner
from looking_glass.training.params import TrainParams


def learning_rate_at(step: int, params: TrainParams) -> float:
    """Return the rate for update `step` (from 0): linear warm-up, then a cosine to zero."""
    if step < params.warmup_steps:
        return params.learning_rate * (step + 1) / params.warmup_steps
    progress = (step - params.warmup_steps) / (params.steps - params.warmup_steps)
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(learner: Learner, params: TrainParams) -> torch.optim.Optimizer:
    """Return AdamW: matrices decay, token embeddings by a rate of their own, vectors not at all."""
    tables = {id(p) for table in (learner.inputs, learner.outputs) for p in table.parameters()}
    learned = [p for p in learner.parameters() if p.requires_grad]
    decays = (
        (params.embedding_decay, [p for p in learned if id(p) in tables]),
        (params.weight_decay, [p for p in learned if id(p) not in tables and p.ndim >= 2]),
        (0.0, [p for p in learned if id(p) not in tables and p.ndim < 2]),
    )
    groups = [{"params": group, "weight_decay": decay} for decay, group in decays]
    return torch.optim.AdamW(groups, lr=params.learning_rate, betas=(0.9, 0.99), fused=True)
