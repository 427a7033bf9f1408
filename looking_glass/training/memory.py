"""The memory that a run of training will need, told from its parameters before it is taken.

R tokens and forms have a row of their own while the model learns (see
`looking_glass.training.token_table`), C channels each; N tokens are read at once.
"""

from __future__ import annotations

import math

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.memory import (
    body_bytes,
    embedding_bytes,
    learning_bytes,
    matrix_bytes,
    passing_bytes,
    weight_bytes,
)
from looking_glass.pipeline.memory import COMPILER, FLOAT, INTEGER, PYTORCH, Parts
from looking_glass.training.cross_entropy import PIECE
from looking_glass.training.params import TrainParams
from looking_glass.training.token_table import Vocabulary

# The keys that set each part.
KEYS = {
    "weights": ("model.n_embd", "model.n_layer"),
    "gradients": ("model.n_embd", "model.n_layer"),
    "optimizer": ("model.n_embd", "model.n_layer"),
    "the weights to keep": ("model.n_embd", "model.n_layer"),
    "temporary matrices": ("model.n_embd", "model.n_layer"),
    "token rows": ("model.n_embd",),
    "activations": (
        "train.batch_size (or raise train.accumulate)",
        "model.block_size",
        "model.n_embd",
        "model.n_layer",
    ),
    "logits": ("train.batch_size (or raise train.accumulate)", "train.sampled_tokens"),
    "evaluation": ("model.n_embd",),
}


def moments(
    config: GPTConfig,
    params: TrainParams,
    vocabulary: Vocabulary,
    *,
    n_processes: int = 1,
    pretrained: bool = False,
) -> dict[str, Parts]:
    """Return what a process holds at each moment at which it holds most."""
    C, tables = config.n_embd, 1 if config.tie_weights else 2
    seen = len(vocabulary.seen)
    forms, widest = vocabulary.features.shape
    others = len(vocabulary.unseen_forms)
    if params.softmax == "sampled":
        others = min(params.sampled_tokens, len(vocabulary.unseen))
    rows = FLOAT * (seen + others) * C  # (R, C)
    learned_rows = FLOAT * (seen + vocabulary.n_features + 1) * C
    learned = body_bytes(config) + tables * learned_rows
    # Rows of tokens that the text lacks are drawn, and never learned.
    unlearned = FLOAT * len(vocabulary.unseen) * C + INTEGER * forms * widest
    start = embedding_bytes(config) if pretrained else 0
    matrices = matrix_bytes(config)
    muon = params.optimizer == "muon"
    held = {
        "PyTorch": PYTORCH + COMPILER,
        "weights": weight_bytes(config) + tables * (learned_rows + unlearned + start),
        "optimizer": 2 * learned - (matrices if muon else 0),
        # What PyTorch sends to the other processes, beside the gradients themselves.
        "exchanged gradients": learned if n_processes > 1 else 0,
        "the weights to keep": learned if params.steps > params.evaluate_every else 0,
    }
    N = max(1, params.batch_size * config.block_size // (params.accumulate * n_processes))
    R = seen + others
    if params.softmax == "sampled":  # of those seen, the batch's targets and a sample
        R = others + min(seen, params.batch_size * config.block_size + params.sampled_tokens)
    logits = FLOAT * math.ceil(N / math.ceil(N * R / PIECE)) * R
    if params.precision == "bfloat16":
        logits = (FLOAT + FLOAT + FLOAT // 2) * N * R  # all at once, and once more as probabilities
    step = held | {
        "gradients": learned if params.accumulate > 1 else 0,
        # The rows as inputs and as outputs, their gradient and the one by hidden states.
        "token rows": 3 * tables * rows,
        "activations": learning_bytes(config, N) + passing_bytes(config, N),
        "logits": logits,
    }
    return {
        "the start": {"weights": weight_bytes(config) * (4 if pretrained else 1)},
        # What a step has freed is still there, for the C library keeps it for the next step.
        "a step and an evaluation": step
        | {
            "the weights to keep": 2 * held["the weights to keep"] or learned,
            "evaluation": 2 * embedding_bytes(config),  # folded: the forms' rows, each token's
        },
        "an update": held
        | {
            "gradients": learned,
            # Each matrix with its momentum, and of their squares a polynomial's parts.
            "temporary matrices": (matrices + 6 * matrices // 3) if muon else 0,
        },
    }
