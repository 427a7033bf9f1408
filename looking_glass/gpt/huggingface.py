"""What Hugging Face's libraries read beside the weights: how long a text may be, how it is cut.

The files are written without those libraries. Their formats are those of `transformers` 5
(`generation_config.json`, `tokenizer_config.json`) and `tokenizers` 0.2x (`tokenizer.json`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from looking_glass.pipeline.artifacts import read_json, write_bytes, write_json

GENERATION_FILE = "generation_config.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
TOKENIZER_FILE = "tokenizer.json"
# In `tokenizers` this part knows the letters that stand for bytes, and GPT-2's pattern.
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}


def write_generation_config(path: Path, end_of_text: int, block_size: int) -> None:
    """Write how long a generated text is, prompt included: at most the block, in tokens.

    Without it `generate` and pipelines ask for 256 tokens more, which have no positions.
    """
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end_of_text)
    write_json(path, {**ids, "max_length": block_size})


def write_tokenizer(
    directory: Path, vocab: Path, merges: Path, end_of_text: int, block_size: int
) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` of GPT-2's encoder into `directory`.

    `vocab` is encoder.json (letters → id), `merges` is vocab.bpe (a pair a line, after `#version`).
    The ids are those of `text.tokenizer.Tokenizer`, but that the token which ends a text is one
    token in any text: `<|endoftext|>`, the last of GPT-2's vocabulary.
    """
    ids = read_json(vocab)
    special = next(letters for letters, token in ids.items() if token == end_of_text)
    # Compact: indented, the two tables alone would take 100,000 lines.
    text = json.dumps(_tokenizer(ids, _pairs(merges), special), ensure_ascii=False, separators=(",", ":"))
    write_bytes(directory / TOKENIZER_FILE, text.encode() + b"\n")
    write_json(directory / TOKENIZER_CONFIG_FILE, _tokenizer_config(block_size, special))


def _pairs(merges: Path) -> list[str]:
    """Return the merges, most frequent first, each `left right`."""
    lines = merges.read_bytes().decode("utf-8").split("\n")
    return [line for line in lines if line and not line.startswith("#version")]


def _tokenizer(ids: dict[str, int], pairs: list[str], special: str) -> dict[str, Any]:
    alone = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    ends = {"id": ids[special], "content": special, **alone, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [ends],
        "normalizer": None,
        "pre_tokenizer": {**_BYTE_LEVEL, "use_regex": True},
        "post_processor": {**_BYTE_LEVEL, "trim_offsets": False, "use_regex": True},
        "decoder": {**_BYTE_LEVEL, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": ids,
            "merges": pairs,
        },
    }


def _tokenizer_config(block_size: int, special: str) -> dict[str, Any]:
    roles = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), special)
    return {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": block_size,
        # A text is continued after its end: what is too long loses its beginning, and what is
        # too short for its batch is filled up before it.
        "truncation_side": "left",
        "padding_side": "left",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        **roles,
    }
