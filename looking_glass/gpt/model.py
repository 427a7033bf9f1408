"""GPT-2: a decoder-only transformer, with one place where analyses reach in: its attention.

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

import functools
import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from looking_glass.gpt import short_attention
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.dropout import Dropout
from looking_glass.gpt.gelu import gelu

# query, key, value, each (B, nh, T, hs), → what each head gathers at each position, (B, nh, T, hs).
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
# The same for a whole model: the first argument is the index of the block that calls it.
AttendIn = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class CausalSelfAttention(nn.Module):
    """Multi-head self-attention in which a position sees itself and what came before."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.attention_dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        self.resid_dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, attend: Attend | None = None) -> Tensor:
        """(B, T, C) → (B, T, C), by `attend`, or else by whichever way is fastest."""
        packed: Tensor = self.c_attn(x)  # (B, T, 3C)
        drops = self.training and self.dropout > 0
        if attend is None and not drops and short_attention.is_for(packed):
            mixed = short_attention.short_attention(packed, self.n_head)
            out: Tensor = self.resid_dropout(self.c_proj(mixed))
            return out
        return self.project((attend or self.fused)(*self.heads(packed)))

    def fused(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Three of (B, nh, T, hs) → (B, nh, T, hs): causal attention that keeps no pattern."""
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)

    def query_key_value(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, C) → three of (B, nh, T, hs)."""
        return self.heads(self.c_attn(x))

    def heads(self, packed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of `packed`: (B, T, 3C) → three of (B, nh, T, hs)."""
        B, T, width = packed.shape
        C = width // 3
        parts = torch.split(packed, C, dim=2)  # each (B, T, C)
        query, key, value = (
            part.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for part in parts
        )
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
        out: Tensor = self.dropout(self.c_proj(gelu(self.c_fc(x))))
        return out


class Block(nn.Module):
    """One layer: attention, then an MLP, each reading a LayerNorm of the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config)

    def forward(
        self, x: Tensor, attend: Attend | None = None, added: list[Tensor] | None = None
    ) -> Tensor:
        """(B, T, C) → (B, T, C).

        `attend` takes the place of fused attention. What attention and MLP add to the stream, two
        of (B, T, C), is appended to `added` where that is given.
        """
        attention = self.attn(self.ln_1(x), attend)
        x = x + attention
        mlp: Tensor = self.mlp(self.ln_2(x))
        if added is not None:
            added += [attention, mlp]
        return x + mlp


class Transformer(nn.Module):
    """The embeddings, the blocks and the last LayerNorm: everything but the output layer."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = Dropout(config.embedding_dropout)
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

    def residual_input(self, x: Tensor, start: int = 0) -> Tensor:
        """Return what enters the first block: `x` plus its positions. (B, T, C) → (B, T, C).

        These are `start` … start + T - 1. Raises `ValueError` when they overrun the block size.
        """
        stop = start + x.shape[1]
        if stop > self.config.block_size:
            raise ValueError(f"at most block_size {self.config.block_size} positions, got {stop}")
        out: Tensor = self.transformer.drop(x + self.transformer.wpe.weight[start:stop])
        return out

    def hidden(
        self,
        x: Tensor,
        attend: AttendIn | None = None,
        *,
        start: int = 0,
        added: list[Tensor] | None = None,
    ) -> Tensor:
        """Return the last LayerNorm's output for input embeddings: (B, T, C) → (B, T, C).

        `attend` and `added` are as in `Block.forward`, of all blocks in their order; the first
        position is `start`.
        """
        x = self.residual_input(x, start)
        for index, block in enumerate(self.transformer.h):  # by its own name, minGPT's too
            if attend is None and added is None:
                x = block(x)  # as minGPT's are called
            else:
                x = block(x, attend and functools.partial(attend, index), added)
        out: Tensor = self.transformer.ln_f(x)
        return out

    def forward_embeddings(self, x: Tensor) -> Tensor:
        """Return the logits for input embeddings in place of tokens: (B, T, C) → (B, T, V)."""
        logits: Tensor = self.lm_head(self.hidden(x))
        return logits

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of each position's next token: (B, T) → (B, T, V)."""
        return self.forward_embeddings(self.embed(tokens))
