"""A model on disk, as Hugging Face writes a GPT-2: this project's own, and others'."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from looking_glass.gpt.checkpoint_config import CONFIG_FILE, read_config
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.huggingface import (
    GENERATION_FILE,
    write_generation_config,
    write_tokenizer,
)
from looking_glass.gpt.model import GPT
from looking_glass.gpt.weight_files import WEIGHTS_FILE, read_weights, weight_files
from looking_glass.pipeline.artifacts import read_json, write_json, write_tensors
from looking_glass.pipeline.errors import InputError, shorten

VOCAB_FILE = "vocab.json"
MERGES_FILE = "merges.txt"
# Causal masks, which minGPT and OpenAI's own files keep among the weights: names that are exactly
# these, for "attn.c_attn.bias" is a weight.
_MASKS = (".attn.bias", ".attn.masked_bias")
# GPT-2's Conv1D keeps these matrices as (in, out); nn.Linear keeps them as (out, in).
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
_REAL = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


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
    end_of_text: int | None = None,
) -> None:
    """Write a directory that `transformers.GPT2LMHeadModel.from_pretrained` opens as it is.

    `state` bears GPT-2's names, with matrices as nn.Linear keeps them. The tokenizer's tables,
    when given, are copied beside the weights, and written once more as `tokenizer.json`.
    `end_of_text` is the token that ends a text: the vocabulary's last, as GPT-2 has it, unless
    given.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.t() if name.endswith(_TRANSPOSED) else tensor).detach().cpu().numpy()
        for name, tensor in state.items()
        if not name.endswith(_MASKS) and not (config.tie_weights and name == "lm_head.weight")
    }
    write_tensors(directory / WEIGHTS_FILE, tensors)
    end = config.vocab_size - 1 if end_of_text is None else end_of_text
    write_json(directory / CONFIG_FILE, _huggingface_config(config, end))
    write_generation_config(directory / GENERATION_FILE, end, config.block_size)
    if vocab is not None and merges is not None:
        shutil.copyfile(vocab, directory / VOCAB_FILE)
        shutil.copyfile(merges, directory / MERGES_FILE)
        write_tokenizer(directory, vocab, merges, end, config.block_size)


def _huggingface_config(config: GPTConfig, end_of_text: int) -> dict[str, Any]:
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
        "embd_pdrop": config.embedding_dropout,
        "resid_pdrop": config.dropout,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
        "dtype": "float32",
    }


def load_checkpoint(directory: Path, device: torch.device | None = None) -> GPT:
    """Return the model in a Hugging Face GPT-2 directory, in eval mode, its weights frozen.

    Its weights may lie in several files with an index, and be of 16, 32 or 64 bits: they become
    float32. Raises `InputError`, naming file and field or tensor, when there is none, it is
    damaged, or not a GPT-2 that this class can express.
    """
    config = read_config(directory / CONFIG_FILE)
    _check_vocabulary(directory / VOCAB_FILE, config)
    path = weight_files(directory)[0]
    state = _by_our_names(path, read_weights(directory))
    if config.tie_weights and "transformer.wte.weight" in state:
        own = state.setdefault("lm_head.weight", state["transformer.wte.weight"])
        if not torch.equal(own, state["transformer.wte.weight"]):
            raise InputError(
                f"{path}: lm_head.weight must be wte.weight where {CONFIG_FILE} says "
                "tie_word_embeddings, it differs: write false there if the output layer is another"
            )
    check_fits(path, state, config.weight_shapes())
    model = GPT(config)
    model.load_state_dict(state)
    model.requires_grad_(False)
    return model.eval().to(device or torch.device("cpu"))


def _check_vocabulary(path: Path, config: GPTConfig) -> None:
    """Raise `InputError` when the encoder's table beside a model has other tokens than it."""
    if path.exists() and (n := len(read_json(path))) != config.vocab_size:
        raise InputError(
            f"{path}: {config.vocab_size} tokens, the vocab_size of {CONFIG_FILE}, are required, "
            f"got {n}: run dvc repro -f -s train, or save the model again with its own encoder"
        )


def _by_our_names(path: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights in float32, by GPT-2's full names, matrices as nn.Linear keeps them."""
    state: dict[str, Tensor] = {}
    for name, weight in weights.items():
        # GPT-2 as OpenAI published it has no prefix, and its causal masks among the weights.
        key = name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
        if key.endswith(_MASKS):
            continue
        if key in state:
            raise InputError(f"{path}: {key} is required once, it comes with and without prefix")
        if weight.dtype not in _REAL:
            raise InputError(
                f"{path}: {name} must be of real numbers of 16, 32 or 64 bits, got "
                f"{str(weight.dtype).removeprefix('torch.')}: convert the weights to float32"
            )
        if not torch.isfinite(weight).all():
            raise InputError(
                f"{path}: {name} must hold finite numbers, got NaN or infinity: the run that made "
                "it diverged, or the file is damaged"
            )
        tensor = weight.float()
        turned = tensor.ndim == 2 and key.endswith(_TRANSPOSED)
        state[key] = tensor.t().contiguous() if turned else tensor
    return state


def check_fits(
    path: Path, state: dict[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise `InputError`, naming the first tensor that is missing, of another shape, or unknown."""
    problem = ""
    for name, shape in expected.items():
        turned = name.endswith(_TRANSPOSED)
        shapes = [list(shape), list(state[name].shape)] if name in state else []
        if not shapes:
            problem = f"{name} is missing"
        elif shapes[0] != shapes[1]:
            # As they stand in the file, where these matrices are the other way round.
            wanted, found = (s[::-1] if turned and len(s) == 2 else s for s in shapes)
            problem = f"{name} must be of shape {wanted}, got {found}"
        if problem:
            break
    else:
        if unknown := sorted(set(state) - set(expected)):
            problem = f"{shorten(unknown[0])} is none of its tensors"
    if problem:
        raise InputError(f"{path}: weights do not fit {CONFIG_FILE}: {problem}")
