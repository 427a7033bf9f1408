"""A GPT-2 as somebody else would bring it: transformers' own files, another vocabulary."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel

END = "<|endoftext|>"  # which that library puts first, and OpenAI last


def save_given(directory: Path, text: str, **changes: int | bool) -> GPT2LMHeadModel:
    """Save a model that learned nothing, in bfloat16 and several files; return it in float32.

    Its encoder has 300 tokens, learned from `text`. The output layer is not the embedding.
    """
    encoder = ByteLevelBPETokenizer()
    encoder.train_from_iterator(
        [text], vocab_size=300, min_frequency=1, special_tokens=[END], show_progress=False
    )
    shape = {"n_positions": 96, "n_embd": 32, "n_layer": 2, "n_head": 2, **changes}
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=300,
        initializer_range=0.4,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
        **shape,  # type: ignore[arg-type]
    )
    model = GPT2LMHeadModel(config).bfloat16()
    model.save_pretrained(directory, max_shard_size="50KB")
    encoder.save_model(str(directory))
    read: GPT2LMHeadModel = model.to(torch.float32).eval()  # type: ignore[arg-type]
    return read
