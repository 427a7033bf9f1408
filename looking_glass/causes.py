"""Why a position chose its token: interventions on its sources, and the parts of its logit.

A source is a position that the last one of a context attends to. Four measures of what it did:

    knock-out        the position loses its attention to the source, in one block or in all of them
    replacement      the source's token gives way to a matched one, of its kind and frequency
    weighted norm    the length of what the block's heads carry from the source, ‖Σ α v W_O‖: a
                     source may get much attention and send next to nothing
                     (Kobayashi et al. 2020, Attention is Not Only a Weight)
    direct           what that adds to the chosen token's logit, all that comes later left aside

The logit is a sum over everything that was added to the residual stream, once the last LayerNorm's
scale is taken as it was: embeddings, each head, each MLP, biases. Source: Elhage et al. 2021, A
Mathematical Framework for Transformer Circuits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from looking_glass.attention import attention_pattern, trace_hidden
from looking_glass.corpus import Tokens
from looking_glass.evaluation import mean_loss
from looking_glass.model import GPT

CONFIDENCE = 1.96  # standard errors to each side: 95 %


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What was added to the residual stream at the last position, and what brought it there."""

    names: list[str]
    values: Tensor  # (parts, C): their sum enters the last LayerNorm
    moved: list[Tensor]  # a block each, (nh, T, C): what each head carried from each source


@torch.no_grad()
def parts_of(model: GPT, tokens: Tensor) -> Parts:
    """Take apart the residual stream at the last of `tokens` (T,)."""
    T = len(tokens)
    token, position = model.embed(tokens[None])[0], model.transformer.wpe.weight[:T]
    names, values, moved = ["token embedding", "position"], [token[-1], position[-1]], []
    x = (token + position)[None]  # (1, T, C)
    for index, block in enumerate(model.transformer.blocks):
        query, key, value = block.attn.query_key_value(block.ln_1(x))  # each (1, nh, T, hs)
        pattern = attention_pattern(query, key)  # (1, nh, T, T)
        nh, hs = value.shape[1], value.shape[-1]
        weight = block.attn.c_proj.weight.view(-1, nh, hs)  # (C, nh, hs)
        carried = torch.einsum("nts,cns->ntc", value[0], weight)
        carried = pattern[0, :, -1, :, None] * carried  # (nh, T, C)
        moved.append(carried)
        for head in range(nh):
            names.append(f"block {index + 1}, head {head + 1}")
            values.append(carried[head].sum(dim=0))
        names.append(f"block {index + 1}, attention bias")
        values.append(block.attn.c_proj.bias)
        x = x + block.attn.project(pattern @ value)
        mlp = block.mlp(block.ln_2(x))
        names.append(f"block {index + 1}, MLP")
        values.append(mlp[0, -1])
        x = x + mlp
    return Parts(names=names, values=torch.stack(values), moved=moved)


@torch.no_grad()
def direct(model: GPT, parts: Parts, vectors: Tensor, target: int) -> Tensor:
    """Return what `vectors` (..., C) in the residual stream add to the logit of `target`: (...).

    The scale of the last LayerNorm is that of the whole stream. Over all parts, plus
    `direct_constant`, the sum is the logit.
    """
    norm = model.transformer.ln_f
    scale = (parts.values.sum(dim=0).var(correction=0) + norm.eps).sqrt()
    row = norm.weight * model.lm_head.weight[target]  # (C,)
    centred = vectors - vectors.mean(dim=-1, keepdim=True)
    added: Tensor = (centred @ row) / scale
    return added


def direct_constant(model: GPT, target: int) -> float:
    """Return what the last LayerNorm's bias adds to the logit of `target`, whatever the input."""
    return float(model.transformer.ln_f.bias @ model.lm_head.weight[target])


@torch.no_grad()
def weighted_norms(parts: Parts, block: int) -> Tensor:
    """Return the length of what all heads of a block carry from each source: (T,)."""
    norms: Tensor = parts.moved[block].sum(dim=0).norm(dim=-1)
    return norms


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What was chosen after each of N contexts of T tokens."""

    contexts: Tensor  # (N, T)
    chosen: Tensor  # (N,): the most probable token
    second: Tensor  # (N,): the next most probable
    log_probs: Tensor  # (N,) nats: of the chosen one
    margins: Tensor  # (N,): chosen logit minus second
    patterns: list[Tensor]  # a block each: the last row, (N, nh, T)

    def chunk(self, n: int) -> list[Choices]:
        """Return them in at most `n` shares."""
        shares = torch.arange(len(self.contexts), device=self.contexts.device).chunk(n)
        return [
            Choices(
                contexts=self.contexts[rows],
                chosen=self.chosen[rows],
                second=self.second[rows],
                log_probs=self.log_probs[rows],
                margins=self.margins[rows],
                patterns=[pattern[rows] for pattern in self.patterns],
            )
            for rows in shares
        ]


@torch.no_grad()
def choose(model: GPT, contexts: Tensor) -> Choices:
    """Return the model's choice after each of `contexts` (N, T)."""
    logits, patterns = _last_logits(model, model.embed(contexts), {})
    top = logits.topk(2, dim=-1)
    return Choices(
        contexts=contexts,
        chosen=top.indices[:, 0],
        second=top.indices[:, 1],
        log_probs=logits.log_softmax(dim=-1).amax(dim=-1),
        margins=top.values[:, 0] - top.values[:, 1],
        patterns=[pattern[:, :, -1] for pattern in patterns],
    )


def knock_outs(
    model: GPT,
    choices: Choices,
    blocks: Sequence[int],
    *,
    head: int | None = None,
    sources: Sequence[tuple[int, int]] | None = None,
) -> Tensor:
    """Return the nats that each choice loses without each source in `blocks`: (N, S).

    Only the last position loses its attention, in all heads or in one. The sources are every
    position, or ranges of positions (start, stop). Positive where the source spoke for the choice.
    """
    T = choices.contexts.shape[1]
    spans = sources or [(position, position + 1) for position in range(T)]
    heads = 1 if head is None else model.config.n_head
    removed = torch.zeros(len(spans), heads, T, T, dtype=torch.bool, device=model.device)
    for index, (start, stop) in enumerate(spans):
        removed[index, head or 0, -1, start:stop] = True
    effects = []
    for context, chosen, before in zip(
        choices.contexts, choices.chosen, choices.log_probs, strict=True
    ):
        x = model.embed(context).expand(len(spans), -1, -1)
        logits, _ = _last_logits(model, x, dict.fromkeys(blocks, removed))
        effects.append(before - logits.log_softmax(dim=-1)[:, chosen])
    return torch.stack(effects)


def replacements(model: GPT, choices: Choices, matched: Tensor) -> Tensor:
    """Return by how much the choice's lead over its best rival shrinks without each source: (N, T).

    In logits. Each source in its turn gives way to its token in `matched` (V,). The rival is the
    best one then: over the second choice as it was, a token that took the choice's place would
    not show.
    """
    N, T = choices.contexts.shape
    effects = []
    for index in range(N):
        changed = choices.contexts[index].repeat(T, 1)  # (T, T)
        changed[range(T), range(T)] = matched[choices.contexts[index]]
        logits, _ = _last_logits(model, model.embed(changed), {})
        chosen = choices.chosen[index]
        own = logits[:, chosen].clone()
        logits[:, chosen] = -math.inf
        effects.append(choices.margins[index] - (own - logits.amax(dim=1)))
    return torch.stack(effects)


@torch.no_grad()
def _last_logits(
    model: GPT, x: Tensor, removed: Mapping[int, Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return the logits at the last position, (B, V), and the patterns."""
    hidden, patterns = trace_hidden(model, x, dict(removed))
    logits: Tensor = model.lm_head(hidden[:, -1])
    return logits, patterns


def matched_tokens(counts: Tensor, kinds: Sequence[str]) -> Tensor:
    """Return for each token another one of its kind that is nearest to it in frequency: (V,).

    `counts` (V,) are occurrences in the training text. A token alone in its kind takes the one
    nearest in frequency of any kind; of two as near the one that is more frequent.
    """
    matched = torch.empty(len(counts), dtype=torch.long)
    groups: dict[str, list[int]] = {}
    for token, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(token)
    everyone = _by_count(counts, list(range(len(counts))))
    for group in groups.values():
        order = _by_count(counts, group)
        for place, token in enumerate(order):
            pool, at = (order, place) if len(order) > 1 else (everyone, everyone.index(token))
            near = [pool[i] for i in (at - 1, at + 1) if 0 <= i < len(pool)]
            matched[token] = min(near, key=lambda other: abs(counts[other] - counts[token]))
    return matched


def _by_count(counts: Tensor, tokens: list[int]) -> list[int]:
    return sorted(tokens, key=lambda token: (-int(counts[token]), token))


def interval(values: Tensor) -> tuple[float, float, float]:
    """Return the mean of the finite ones of `values` and its 95 % confidence interval."""
    finite = values[values.isfinite()].double()
    mean = float(finite.mean())
    if len(finite) < 2:
        return mean, math.nan, math.nan
    half = CONFIDENCE * float(finite.std()) / math.sqrt(len(finite))
    return mean, mean - half, mean + half


def top_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return for each row whether its largest entry is the same in both: (N, S) → (N,)."""
    return (a.argmax(dim=1) == b.argmax(dim=1)).double()


def loss_without(model: GPT, tokens: Tokens, block: int, part: Literal["attn", "mlp"]) -> float:
    """Return `mean_loss` over `tokens` when what one part of a block adds is left out."""
    module = getattr(model.transformer.blocks[block], part)
    handle = module.register_forward_hook(lambda _module, _inputs, out: torch.zeros_like(out))
    try:
        return mean_loss(model, tokens)
    finally:
        handle.remove()


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return how much of two distributions over the last dimension is the same: 0 to 1."""
    return torch.minimum(a, b).sum(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a choice stands in the training text."""

    length: int  # tokens of the longest end of the context that occurs there with a successor
    counts: dict[int, int]  # what follows it there, most frequent first


def provenance(context: Sequence[int], text: Tokens) -> Provenance:
    """Return the longest end of `context` that `text` holds, and what follows it there."""
    follows = np.arange(1, len(text))  # positions of successors, while no token is asked for
    length = 0
    for token in reversed(context):
        # follows - length - 1 is where the next token back would have to stand.
        at = follows[follows > length]
        kept = at[np.asarray(text)[at - length - 1] == token]
        if not len(kept):
            break
        follows, length = kept, length + 1
    tokens, counts = np.unique(np.asarray(text)[follows], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Provenance(length=length, counts={int(tokens[i]): int(counts[i]) for i in order})
