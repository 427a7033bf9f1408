"""What a block attended to when the model chose a word, and whether that mattered.

The row of a token is how its position, as the query, spreads attention over itself and what came
before. The row that *predicted* a word is that of the token just before it: there the logits of
the word's first token are read off. Attention suggests a cause; taking it away tests it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from looking_glass.pipeline.errors import InputError
from looking_glass.gpt.model import GPT, generate_greedy
from looking_glass.pipeline.params import Section
from looking_glass.text.tokenizer import Tokenizer, Word

N_PROMPT_WORDS = 10
N_NEW_WORDS = 2
BlockName = Literal["first", "last"]


class AttentionParams(Section):
    """Section `attention`."""

    prompts: tuple[str, ...] = Field(min_length=1)
    blocks: tuple[BlockName, ...]
    contexts: int = Field(ge=2)  # of the validation text, over which agreement is measured
    seed: int = Field(ge=0)

    @field_validator("blocks")
    @classmethod
    def _both(cls, blocks: tuple[BlockName, ...]) -> tuple[BlockName, ...]:
        if sorted(blocks) != ["first", "last"]:
            raise ValueError("[first, last] are required, for the report compares the two")
        return blocks


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A prompt of ten words and the two that the model wrote after it."""

    tokens: list[int]  # (T,)
    words: list[Word]  # twelve
    predicting: int  # the position whose logits chose the 11th word's first token

    @property
    def chosen(self) -> int:
        """The token chosen there: the first one of the 11th word."""
        return self.tokens[self.predicting + 1]

    @property
    def eleventh(self) -> Word:
        """The word that is explained."""
        return self.words[N_PROMPT_WORDS]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One forward pass with its attention in sight."""

    logits: Tensor  # (B, T, V)
    patterns: list[Tensor]  # a block each: (B, nh, T, T)


def attention_pattern(query: Tensor, key: Tensor, removed: Tensor | None = None) -> Tensor:
    """Return softmax(QKᵀ/√hs) under the causal mask: (B, nh, T, hs) twice → (B, nh, T, T).

    Row i, over the last dimension, sums to 1 and is 0 at every j > i. Edges (query, key) where
    `removed`, of a shape that broadcasts to the result's, is true get no attention; the rest of
    the row shares it. Source: Vaswani et al. 2017, equation 1. The model's own fused attention
    computes the same without keeping it.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (B, nh, T, T)
    T = scores.shape[-1]
    hidden = torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1)  # (T, T)
    if removed is not None:
        hidden = hidden | removed
    return scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)  # (B, nh, T, T)


@torch.no_grad()
def trace(model: GPT, tokens: Tensor, removed: dict[int, Tensor] | None = None) -> Trace:
    """Run `tokens` (B, T) through `model`, keeping each block's pattern.

    `removed` maps a block's index to the edges it loses, as in `attention_pattern`. With none the
    logits are those of the plain forward pass.
    """
    hidden, patterns = trace_hidden(model, model.embed(tokens), removed)
    return Trace(logits=model.lm_head(hidden), patterns=patterns)


@torch.no_grad()
def trace_hidden(
    model: GPT, x: Tensor, removed: dict[int, Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Return the last LayerNorm's output for input embeddings (B, T, C), and each block's pattern.

    `removed` is as in `trace`.
    """
    x = model.residual_input(x)  # (B, T, C)
    patterns: list[Tensor] = []
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(x))  # each (B, nh, T, hs)
        pattern = attention_pattern(query, key, (removed or {}).get(index))  # (B, nh, T, T)
        x = x + block.attn.project(pattern @ value)
        x = x + block.mlp(block.ln_2(x))
        patterns.append(pattern)
    return model.transformer.ln_f(x), patterns


def block_index(name: BlockName, n_layer: int) -> int:
    """Return which block `first` or `last` is."""
    return 0 if name == "first" else n_layer - 1


def continue_prompt(model: GPT, tokenizer: Tokenizer, prompt: str) -> Sentence:
    """Return the prompt and the two words that the model writes after it, greedily.

    A word is complete when the next one has begun. Where the model first adds to the prompt's last
    word (a comma, say), that belongs to the tenth word. Raises `InputError` unless the prompt has
    ten words and two more fit in the block.
    """
    n_words = len(prompt.split())
    if n_words != N_PROMPT_WORDS:
        raise InputError(
            f"attention.prompts: exactly {N_PROMPT_WORDS} words are required, so that the 11th is "
            f"the model's; got {n_words} in {prompt!r}: add or remove some"
        )
    block_size = model.config.block_size
    prompt_tokens = tokenizer.encode(prompt.rstrip())
    room = block_size - len(prompt_tokens)
    if room > 0:
        ids = torch.tensor([prompt_tokens], device=model.device)
        tokens = prompt_tokens + generate_greedy(model, model.embed(ids), room)[0].tolist()
        words = tokenizer.words(tokens)
        if len(words) > N_PROMPT_WORDS + N_NEW_WORDS:
            words = words[: N_PROMPT_WORDS + N_NEW_WORDS]
            predicting = words[N_PROMPT_WORDS].start - 1
            return Sentence(tokens=tokens[: words[-1].stop], words=words, predicting=predicting)
    raise InputError(
        f"attention.prompts: the model must write {N_NEW_WORDS} whole words after the "
        f"{len(prompt_tokens)} tokens of {prompt!r} within a block of {block_size}; it did not: "
        "choose another prompt or a larger model.block_size"
    )


def word_pattern(pattern: Tensor, words: list[Word]) -> Tensor:
    """Return attention between words from that between tokens: (T, T) → (W, W).

    A word receives the sum over its tokens, and gives the mean over its tokens' rows: rows still
    sum to 1.
    """
    received = torch.stack([pattern[:, w.start : w.stop].sum(dim=1) for w in words], dim=1)
    return torch.stack([received[w.start : w.stop].mean(dim=0) for w in words])


def entropy(row: Tensor) -> float:
    """Return the entropy in nats of a row of attention: 0 for one source, log n for n alike."""
    return float(torch.special.entr(row.double()).sum())


def rank_correlation(a: list[float], b: list[float]) -> float | None:
    """Return Spearman's rank correlation; None when one side does not vary."""
    found = float(rank_correlations(torch.tensor([a]), torch.tensor([b]))[0])
    return found if math.isfinite(found) else None


def rank_correlations(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's correlation of each row: (N, S) twice → (N,); NaN where one is flat."""
    ranks = [_row_ranks(values.double()) for values in (a, b)]
    centred = [rank - rank.mean(dim=1, keepdim=True) for rank in ranks]
    product = (centred[0] * centred[1]).sum(dim=1)
    correlations: Tensor = product / (centred[0].norm(dim=1) * centred[1].norm(dim=1))
    return correlations


def _row_ranks(values: Tensor) -> Tensor:
    below = (values[:, :, None] > values[:, None, :]).sum(dim=2)
    equal = (values[:, :, None] == values[:, None, :]).sum(dim=2)
    return below.double() + (equal.double() + 1) / 2  # equal values share the mean of their ranks
