"""A model on disk, as Hugging Face writes a GPT-2: this project's own, and others'."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.artifacts import read_json, read_tensors, write_json, write_tensors
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
        arrays = read_tensors(directory / WEIGHTS_FILE)
    except (OSError, ValueError) as error:
        raise InputError(f"{directory / WEIGHTS_FILE} cannot be read: {error}") from None
    state: dict[str, Tensor] = {}
    for name, array in arrays.items():
        # GPT-2 as OpenAI published it has no prefix, and its causal masks among the weights.
        key = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
        if not key.endswith(_MASKS):
            tensor = torch.from_numpy(array).float()
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
    expected = {"model_type": "gpt2", "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}
    for key, value in expected.items():
        if raw.get(key, value) != value:
            raise InputError(f"{path}: {key} must be {value!r}, got {raw[key]!r}: not a GPT-2")
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
