"""The memory that explaining choices will need, told before it is taken.

What keeps attention in sight keeps every block's pattern, (B, nh, T, T): of B contexts side by
side, or of one with so many things taken away from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from looking_glass.attention.heads import blocks_at_once
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.memory import embedding_bytes, passing_bytes, weight_bytes
from looking_glass.gpt.siblings import ROWS
from looking_glass.pipeline.memory import FLOAT, PYTORCH, Parts

# The keys that set each part.
_SIZE = ("model.n_layer", "model.n_embd")
KEYS = {
    "output layer": ("model.n_embd",),
    "patterns": ("model.block_size", "model.n_head", "model.n_layer"),
    "a prompt without each token": _SIZE,
    "contexts without each word": ("attention.context_words", "compute.threads", *_SIZE),
    "contexts": ("attention.contexts", "attention.context_words"),
    "the model redrawn": _SIZE,
}


def moments(
    config: GPTConfig,
    prompts: Sequence[int],
    cases: Sequence[int],
    *,
    n_words: int,
    threads: int,
) -> dict[str, Parts]:
    """Return what stage `choose` holds at each moment at which it holds most, beside the model.

    `prompts` and `cases` are how many tokens each has; each case has `n_words` words.
    """
    n, T = len(cases), max(cases)
    # Of each case its last rows; of the model that learned nothing the same.
    base = {
        "PyTorch": PYTORCH,
        "output layer": embedding_bytes(config),  # made ready once
        "contexts": 2 * FLOAT * n * config.n_layer * config.n_head * T,
    }
    drawn = {"the model redrawn": redrawing_bytes(config)}
    prompt = _removals(config, max(prompts), max(prompts), 1)
    words = _removals(config, n_words, T, min(threads, n))
    return {
        "the prompts": base | {"a prompt without each token": prompt},
        "the contexts": base
        | {
            "the model redrawn": weight_bytes(config),
            "contexts without each word": words,
        },
        "drawing the model anew": base | drawn,
        "the heads' habits": base | {"patterns": habits_bytes(config)},
    }


def trace_bytes(config: GPTConfig, n_contexts: int, length: int) -> int:
    """Return what `trace` of so many contexts of that length holds.

    All patterns; with each block's values its queries and keys, which lie in the same memory; and
    on the way the scores, those with a mask, and their softmax.
    """
    pattern = config.n_head * length**2
    kept = config.n_layer * (pattern + 3 * config.n_embd * length)
    return FLOAT * n_contexts * (kept + 3 * pattern) + passing_bytes(config, n_contexts * length)


def habits_bytes(config: GPTConfig) -> int:
    """Return what reading blocks of text with every pattern in sight holds: see `head_habits`.

    One pattern more is left from the blocks before; of half its rows the shares are taken, in
    float32 and float64.
    """
    T, blocks = config.block_size, blocks_at_once(config)
    pattern = FLOAT * blocks * config.n_head * T**2
    return trace_bytes(config, blocks, T) + pattern + 3 * pattern // 4


def redrawing_bytes(config: GPTConfig) -> int:
    """Return what drawing a model anew holds: a copy, and its largest matrix three times.

    In float64; drawn; and drawn, scaled and shifted.
    """
    return weight_bytes(config) + 5 * embedding_bytes(config)


def _removals(config: GPTConfig, n_sources: int, length: int, at_once: int) -> int:
    """Return what all removals of one choice side by side hold, and the logits after them.

    See `all_knock_outs`, and `replacements`, whose logits lie there twice.
    """
    rows = (config.n_layer + 2) * n_sources
    edges = n_sources * length**2  # bool
    last = passing_bytes(config, rows) + FLOAT * rows * ROWS
    logits = 2 * FLOAT * n_sources * config.vocab_size
    return at_once * (trace_bytes(config, n_sources, length) + edges + last + logits)
