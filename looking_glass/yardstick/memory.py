"""The memory that all sets of a context's words will need, told before it is taken.

Of n words there are 2^n sets. The states of the last word are there once for each, and the heads'
keys and values of the word before it once for half as many, and so on: see
`looking_glass.yardstick.coalitions`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from looking_glass.attention.memory import redrawing_bytes
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.memory import (
    embedding_bytes,
    following_bytes,
    passing_bytes,
    weight_bytes,
)
from looking_glass.gpt.siblings import ROWS
from looking_glass.pipeline.memory import FLOAT, PYTORCH, Parts
from looking_glass.yardstick.gradients import POINTS

# The keys that set each part.
KEYS = {
    "output layer": ("model.n_embd",),
    "sets": ("attention.context_words", "compute.threads", "model.n_embd", "model.n_layer"),
    "scores": ("attention.context_words", "compute.threads", "model.n_head"),
    "gradients": ("compute.threads", "model.n_embd", "model.n_layer"),
    "walks": ("attention.contexts", "attention.context_words"),
    "values": ("attention.contexts", "attention.context_words"),
    "the model redrawn": ("model.n_embd", "model.n_layer"),
}


def moments(
    config: GPTConfig, cases: Sequence[int], *, n_words: int, threads: int
) -> dict[str, Parts]:
    """Return what stage `yardstick` holds at each moment at which it holds most.

    `cases` are how many tokens each context has; the model itself is there already.
    """
    N, T, at_once = len(cases), max(cases), min(threads, len(cases))
    sets = 2**n_words
    word = math.ceil(T / n_words)  # tokens
    values = {
        "PyTorch": PYTORCH,
        "output layer": embedding_bytes(config),  # made ready once
        "values": 2 * 2 * 8 * N * sets,  # float64, by both ways
    }
    # Keys and values lie in one memory with the queries; all words together have twice the last's.
    kept = FLOAT * 2 * sets * word * 3 * config.n_embd * config.n_layer
    passing = passing_bytes(config, sets * word) + FLOAT * sets * ROWS
    # Those of one block side by side, each as often as half of the sets read them.
    joined = FLOAT * sets * T * config.n_embd
    scores = 4 * FLOAT * sets * config.n_head * word * T
    walks = 8 * N * math.comb(n_words, n_words // 2) * (n_words // 2)
    return {
        "all sets of words": values
        | {
            "sets": at_once * (kept + joined + passing),
            "scores": at_once * scores,
        },
        "drawing the model anew": values | {"the model redrawn": redrawing_bytes(config)},
        "the gradients": values
        | {
            "the model redrawn": weight_bytes(config),
            "gradients": at_once
            * (
                following_bytes(config, (POINTS + 1) * T)
                + 3 * FLOAT * (POINTS + 1) * config.vocab_size
            ),
        },
        "the walks": values | {"the model redrawn": weight_bytes(config), "walks": 4 * walks},
    }
