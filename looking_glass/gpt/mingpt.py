"""Train Karpathy's own minGPT class where a package `mingpt` can be imported.

minGPT's modules bear GPT-2's names, which are ours too: its embeddings, blocks and output layer
take the places of our own, and every other part of the pipeline stays as it is.
"""

from __future__ import annotations

import importlib

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError


def build_mingpt(config: GPTConfig) -> GPT:
    """Return a model whose modules are minGPT's, drawn from the global generator.

    Raises `InputError` when no package `mingpt` is there.
    """
    try:
        theirs = importlib.import_module("mingpt.model").GPT
    except ImportError:
        raise InputError(
            "model.implementation 'mingpt' requires an importable package mingpt, there is none: "
            "put a clone of karpathy/minGPT on PYTHONPATH, or choose builtin"
        ) from None
    settings = theirs.get_default_config()
    settings.model_type = None  # minGPT takes either a type or a shape, never both
    settings.n_layer, settings.n_head, settings.n_embd = (
        config.n_layer,
        config.n_head,
        config.n_embd,
    )
    settings.vocab_size, settings.block_size = config.vocab_size, config.block_size
    settings.embd_pdrop, settings.resid_pdrop = config.embedding_dropout, config.dropout
    settings.attn_pdrop = config.attention_dropout
    built = theirs(settings)
    model = GPT(config)
    model.transformer = built.transformer
    model.lm_head = built.lm_head
    if config.tie_weights:
        model.lm_head.weight = model.transformer.wte.weight
    return model
