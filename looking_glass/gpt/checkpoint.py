"""A model on disk, as Hugging Face writes a GPT-2: this project's own, and others'."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.artifacts import read_json, write_json, write_tensors
from looking_glass.pipeline.errors import InputError

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
VOCAB_FILE = "vocab.json"
MERGES_FILE = "merges.txt"
# Causal masks, which minGPT and OpenAI's own files keep among the weights: names that are exactly
# these, for "attn.c_attn.bias" is a weight.
_MASKS = (".attn.bias", ".attn.masked_bias")
# GPT-2's Conv1D keeps these matrices as (in, out); nn.Linear keeps them as (out, in).
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


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


def weights_sha256(model: nn.Module) -> str:
    """Return a hash of every weight's name and bits: if equal later, nothing was touched."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(
    directory: Path,
    state: dict[str, Tensor],
    config: GPTConfig,
    *,
    vocab: Path | None = None,
    merges: Path | None = None,
) -> None:
    """Write a directory that `transformers.GPT2LMHeadModel.from_pretrained` opens as it is.

    `state` bears GPT-2's names, with matrices as nn.Linear keeps them. The tokenizer's tables,
    when given, are copied beside the weights.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.t() if name.endswith(_TRANSPOSED) else tensor).detach().cpu().numpy()
        for name, tensor in state.items()
        if not name.endswith(_MASKS) and not (config.tie_weights and name == "lm_head.weight")
    }
    write_tensors(directory / WEIGHTS_FILE, tensors)
    write_json(directory / CONFIG_FILE, _huggingface_config(config))
    if vocab is not None and merges is not None:
        shutil.copyfile(vocab, directory / VOCAB_FILE)
        shutil.copyfile(merges, directory / MERGES_FILE)


def _huggingface_config(config: GPTConfig) -> dict[str, Any]:
    end_of_text = config.vocab_size - 1
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocab_size,
        "n_positions": config.block_size,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": config.tie_weights,
        "attn_pdrop": config.attention_dropout,
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
    }


def load_checkpoint(directory: Path, device: torch.device | None = None) -> GPT:
    """Return the model in a Hugging Face GPT-2 directory, in eval mode, its weights frozen.

    Raises `InputError` when there is none, or it is not a GPT-2 that this class can express.
    """
    config = _read_config(directory)
    try:
        weights = load_file(directory / WEIGHTS_FILE)  # by torch: NumPy has no bfloat16
    except (OSError, SafetensorError) as error:
        raise InputError(f"{directory / WEIGHTS_FILE} cannot be read: {error}") from None
    state: dict[str, Tensor] = {}
    for name, weight in weights.items():
        # GPT-2 as OpenAI published it has no prefix, and its causal masks among the weights.
        key = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
        if not key.endswith(_MASKS):
            tensor = weight.float()
            state[key] = tensor.t().contiguous() if key.endswith(_TRANSPOSED) else tensor
    if config.tie_weights:
        state["lm_head.weight"] = state["transformer.wte.weight"]
    model = GPT(config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{directory}: weights do not fit {CONFIG_FILE}: {error}") from None
    model.requires_grad_(False)
    return model.eval().to(device or torch.device("cpu"))


def _read_config(directory: Path) -> GPTConfig:
    path = directory / CONFIG_FILE
    try:
        raw = read_json(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: a GPT-2 checkpoint is required, there is none: run dvc repro train"
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    for key, value in EXPECTED.items():
        if raw.get(key, value) != value:
            raise InputError(
                f"{path}: {key} must be {value!r}, got {raw[key]!r}: another function than GPT-2's"
            )
    if raw.get("n_inner") not in (None, 4 * raw.get("n_embd", 0)):
        raise InputError(f"{path}: n_inner must be 4 times n_embd, got {raw['n_inner']!r}")
    public = {key for key in raw if not key.startswith("_")}
    if unknown := sorted(public - set(EXPECTED) - KNOWN):
        raise InputError(
            f"{path}: '{unknown[0]}' is no field that this GPT-2 knows, and it may change what the "
            "model computes: remove it if it does not"
        )
    shape = ("vocab_size", "n_positions", "n_layer", "n_head", "n_embd")
    if missing := [key for key in shape if key not in raw]:
        raise InputError(f"{path}: {missing[0]} is required, there is none: not a GPT-2")
    return GPTConfig(
        vocab_size=raw["vocab_size"],
        block_size=raw["n_positions"],
        n_layer=raw["n_layer"],
        n_head=raw["n_head"],
        n_embd=raw["n_embd"],
        tie_weights=raw.get("tie_word_embeddings", True),
    )
