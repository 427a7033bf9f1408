"""What a Hugging Face GPT-2 directory says of itself: read into a shape, or refused by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from looking_glass.gpt.config import MOST_LAYERS, WIDEST, GPTConfig
from looking_glass.pipeline.errors import InputError, shorten

CONFIG_FILE = "config.json"
# What decides the function that a GPT-2 computes, and the only value that this class computes.
EXPECTED = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "pruned_heads": {},
    "tie_encoder_decoder": False,
}
# Fields that are read, and those that change nothing about the logits: training's, a head's that is
# not here, how text is written, and which library wrote the file.
KNOWN = {
    *("vocab_size", "n_positions", "n_ctx", "n_layer", "n_head", "n_embd", "n_inner"),
    *("tie_word_embeddings", "reorder_and_upcast_attn", "use_cache"),
    *("attn_pdrop", "embd_pdrop", "resid_pdrop", "initializer_range", "gradient_checkpointing"),
    *("architectures", "dtype", "torch_dtype", "transformers_version", "name"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "task_specific_params"),
    *("summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels"),
    *("summary_first_dropout", "finetuning_task", "id2label", "label2id", "num_labels"),
    *("problem_type", "output_attentions", "output_hidden_states", "return_dict", "prefix"),
    *("chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id"),
    *(
        "tokenizer_class",
        "torchscript",
        "use_bfloat16",
        "tf_legacy_loss",
        "keys_to_ignore_at_inference",
    ),
    # How text is drawn, which older versions keep here.
    *("bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping"),
    *("encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id"),
    *("forced_eos_token_id", "length_penalty", "max_length", "min_length", "no_repeat_ngram_size"),
    *("num_beam_groups", "num_beams", "num_return_sequences", "output_scores"),
    *("remove_invalid_values", "repetition_penalty", "return_dict_in_generate"),
    *("suppress_tokens", "temperature", "top_k", "top_p", "typical_p"),
}


class _Shape(BaseModel):
    """The fields that are used, each of the very type that Hugging Face writes."""

    model_config = ConfigDict(strict=True, frozen=True)

    vocab_size: int = Field(ge=1, le=2**24)
    n_positions: int = Field(ge=1, le=WIDEST)
    n_layer: int = Field(ge=1, le=MOST_LAYERS)
    n_head: int = Field(ge=1, le=WIDEST)
    n_embd: int = Field(ge=1, le=WIDEST)
    n_inner: int | None = None
    tie_word_embeddings: bool = True


def read_config(path: Path) -> GPTConfig:
    """Return the shape of a checkpoint by its config.json.

    Raises `InputError`, naming the field, when the file is no such thing or asks for a function
    that this GPT-2 does not compute.
    """
    raw = _read_object(path)
    for key, value in EXPECTED.items():
        found = raw.get(key, value)
        if (type(found), found) != (type(value), value):
            raise InputError(
                f"{path}: {key} must be {value!r}, got {_shown(found)}: another function than "
                "GPT-2's"
            )
    public = {key for key in raw if not key.startswith("_")}
    if unknown := sorted(public - set(EXPECTED) - KNOWN):
        raise InputError(
            f"{path}: '{shorten(unknown[0])}' is no field that this GPT-2 knows, and it may change "
            "what the model computes: remove it if it does not"
        )
    try:
        shape = _Shape.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, reason = first["loc"][0], first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "missing":
            raise InputError(f"{path}: {field} is required, there is none: not a GPT-2") from None
        raise InputError(f"{path}: {field}: {reason}, got {_shown(first['input'])}") from None
    if shape.n_inner not in (None, 4 * shape.n_embd):
        raise InputError(f"{path}: n_inner must be 4 times n_embd, got {shape.n_inner}")
    if shape.n_embd % shape.n_head:
        raise InputError(
            f"{path}: n_embd must be divisible by n_head, got {shape.n_embd} and {shape.n_head}"
        )
    return GPTConfig(
        vocab_size=shape.vocab_size,
        block_size=shape.n_positions,
        n_layer=shape.n_layer,
        n_head=shape.n_head,
        n_embd=shape.n_embd,
        tie_weights=shape.tie_word_embeddings,
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_bytes().decode("utf-8"), object_pairs_hook=_each_once)
    except FileNotFoundError:
        raise InputError(
            f"{path}: a GPT-2 checkpoint is required, there is none: run dvc repro train"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, no JSON, or nested without end
        raise InputError(f"{path}: not valid JSON: {shorten(str(error), 160)}") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: an object is required, got {_shown(raw)}: not a GPT-2")
    return raw


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{shorten(key)}' is required once, it comes again")
        found[key] = value
    return found


def _shown(value: object) -> str:
    return shorten(repr(value))
