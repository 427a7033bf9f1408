"""GPT-2: a decoder-only transformer, and its checkpoint as Hugging Face writes it.

Legend of dimensions, here and in every module that handles tensors:

    B   batch: sequences (or restarts, or interventions) side by side
    T   time: positions of a sequence, at most block_size
    C   channels: n_embd, the width of the residual stream
    nh  heads: n_head
    hs  head size: C // nh
    V   vocabulary: vocab_size

Parameters bear GPT-2's own names, which are Hugging Face's and minGPT's too.
Source: Radford et al. 2019, Language Models are Unsupervised Multitask Learners.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from looking_glass.pipeline.artifacts import read_json, read_tensors, write_json, write_tensors
from looking_glass.gpt.dropout import Dropout
from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import Section

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
VOCAB_FILE = "vocab.json"
MERGES_FILE = "merges.txt"
# Causal masks, which minGPT and OpenAI's own files keep among the weights: names that are exactly
# these, for "attn.c_attn.bias" is a weight.
_MASKS = (".attn.bias", ".attn.masked_bias")
# GPT-2's Conv1D keeps these matrices as (in, out); nn.Linear keeps them as (out, in).
_TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


class ModelParams(Section):
    """Section `model`."""

    implementation: Literal["builtin", "mingpt"]
    init: str = Field(min_length=1)  # "scratch", or a directory with a GPT-2
    n_layer: int = Field(ge=1)
    n_head: int = Field(ge=1)
    n_embd: int = Field(ge=1)
    block_size: int = Field(ge=2)
    dropout: float = Field(ge=0, lt=1)
    attention_dropout: float = Field(ge=0, lt=1)
    tie_weights: bool

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> ModelParams:
        if self.n_embd % self.n_head:
            raise ValueError(
                "n_embd must be divisible by n_head, "
                f"got n_embd {self.n_embd} and n_head {self.n_head}"
            )
        return self


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """The shape of a model; the dropouts act in training alone."""

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    tie_weights: bool = True
    dropout: float = 0.0  # of embeddings and of what is added to the residual stream
    attention_dropout: float = 0.0  # of attention patterns


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which a position sees itself and what came before."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.attention_dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.resid_dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C), by PyTorch's fused attention."""
        query, key, value = self.query_key_value(x)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.project(mixed)

    def query_key_value(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, C) → three of (B, nh, T, hs)."""
        B, T, C = x.shape
        heads = self.c_attn(x).view(B, T, 3, self.n_head, C // self.n_head)  # (B, T, 3, nh, hs)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (B, nh, T, hs)
        return query, key, value

    def project(self, mixed: Tensor) -> Tensor:
        """(B, nh, T, hs) → (B, T, C): the heads side by side, through the output projection."""
        B, nh, T, hs = mixed.shape
        out: Tensor = self.resid_dropout(self.c_proj(mixed.transpose(1, 2).reshape(B, T, nh * hs)))
        return out


class MLP(nn.Module):
    """Two linear maps around GPT-2's tanh-approximated GELU."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        out: Tensor = self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))
        return out


class Block(nn.Module):
    """One layer: attention, then an MLP, each reading a LayerNorm of the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Transformer(nn.Module):
    """The embeddings, the blocks and the last LayerNorm: everything but the output layer."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)

    @property
    def blocks(self) -> list[Block]:
        """The blocks in their order, with their own type (a ModuleList forgets it)."""
        return [cast(Block, block) for block in self.h]


class GPT(nn.Module):
    """The language model: tokens (B, T) → logits (B, T, V) of each position's next token."""

    def __init__(self, config: GPTConfig, *, generator: torch.Generator | None = None) -> None:
        """Draw GPT-2's initial weights from `generator` (the global one when None)."""
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_weights:
            self.lm_head.weight = self.transformer.wte.weight
        self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim >= 2:
                # Each block adds twice to the residual stream, which must not grow with depth.
                residual = name.endswith("c_proj.weight")
                std = 0.02 / math.sqrt(2 * self.config.n_layer) if residual else 0.02
                parameter.normal_(0.0, std, generator=generator)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.transformer.wte.weight.device

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the token embeddings alone, positions not yet added: (B, T) → (B, T, C)."""
        out: Tensor = self.transformer.wte(tokens)
        return out

    def residual_input(self, x: Tensor) -> Tensor:
        """Return what enters the first block: `x` plus positions 0 … T-1. (B, T, C) → (B, T, C).

        Raises `ValueError` when T is over the block size.
        """
        T = x.shape[1]
        if T > self.config.block_size:
            raise ValueError(f"at most block_size {self.config.block_size} positions, got {T}")
        out: Tensor = self.transformer.drop(x + self.transformer.wpe.weight[:T])
        return out

    def hidden(self, x: Tensor) -> Tensor:
        """Return the last LayerNorm's output for input embeddings: (B, T, C) → (B, T, C)."""
        x = self.residual_input(x)
        for block in self.transformer.h:  # by its own name, which minGPT's has too
            x = block(x)
        out: Tensor = self.transformer.ln_f(x)
        return out

    def forward_embeddings(self, x: Tensor) -> Tensor:
        """Return the logits for input embeddings in place of tokens: (B, T, C) → (B, T, V)."""
        logits: Tensor = self.lm_head(self.hidden(x))
        return logits

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of each position's next token: (B, T) → (B, T, V)."""
        return self.forward_embeddings(self.embed(tokens))


@torch.no_grad()
def generate_greedy(model: GPT, x: Tensor, n_tokens: int) -> Tensor:
    """Return the `n_tokens` most probable tokens, one after the other: (B, T, C) → (B, n_tokens).

    `x` are input embeddings; every chosen token is fed back as its own embedding.
    """
    chosen: list[Tensor] = []
    for _ in range(n_tokens):
        logits = model.lm_head(model.hidden(x)[:, -1])  # (B, V)
        chosen.append(logits.argmax(dim=-1))  # (B,)
        x = torch.cat([x, model.embed(chosen[-1])[:, None]], dim=1)
    return torch.stack(chosen, dim=1)


@torch.no_grad()
def sample_tokens(model: GPT, tokens: Tensor, n_tokens: int, generator: torch.Generator) -> Tensor:
    """Return `n_tokens` drawn one after the other from the model: (B, T) → (B, n_tokens).

    They are drawn on the CPU, so that a seed gives the same ones wherever the model computes.
    """
    T = tokens.shape[1]
    for _ in range(n_tokens):
        hidden = model.hidden(model.embed(tokens.to(model.device)))[:, -1]  # (B, C)
        probs = model.lm_head(hidden).cpu().softmax(dim=-1)  # (B, V)
        tokens = torch.cat([tokens, torch.multinomial(probs, 1, generator=generator)], dim=1)
    return tokens[:, T:]


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
