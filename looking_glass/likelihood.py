"""Sample text from a model, and say how probable the model finds it.

Logarithms are natural (nats) unless a name says otherwise, and at most 0.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from looking_glass.errors import InputError
from looking_glass.model import GPT
from looking_glass.params import Section
from looking_glass.tokenizer import Tokenizer

# A sentence ends with one of these signs, and whatever quotation marks or brackets it closes.
_SENTENCE_END = re.compile(r"""[.!?]['"’”)\]]*\s*$""")


class LogprobParams(Section):
    """Section `logprob`."""

    prompt: str
    seed: int = Field(ge=0)
    temperature: float = Field(gt=0)
    top_k: int | None = Field(ge=1)
    max_tokens: int = Field(ge=1)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Tokens drawn one after the other, N of them."""

    tokens: list[int]  # (N,)
    log_probs: Tensor  # (N,) under the model, as seen while sampling
    sampling_log_probs: Tensor  # (N,) under the distribution that was really drawn from


def sampling_log_probs(logits: Tensor, *, temperature: float, top_k: int | None) -> Tensor:
    """Return the log-probabilities to draw from: logits (…, V) over `temperature`, top k alone.

    Of logits tied at the k-th place all are kept. The order matters to no one: dividing keeps it.
    """
    if top_k is not None and top_k < logits.shape[-1]:
        smallest_kept = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < smallest_kept, float("-inf"))
    return (logits / temperature).log_softmax(dim=-1)


@torch.no_grad()
def sample(model: GPT, prompt: list[int], params: LogprobParams) -> Sample:
    """Return `params.max_tokens` tokens drawn after `prompt`, from a generator of their own.

    Raises `InputError` unless the prompt has a token and both fit in the block.
    """
    if not prompt:
        raise InputError("logprob.prompt: at least one token is required to begin from, got none")
    n, block_size = len(prompt) + params.max_tokens, model.config.block_size
    if n > block_size + 1:  # the last token drawn is never an input
        raise InputError(
            f"logprob: the prompt's {len(prompt)} tokens and max_tokens {params.max_tokens} must "
            f"fit in a block of {block_size} and one token more: lower max_tokens"
        )
    generator = torch.Generator().manual_seed(params.seed)
    tokens = list(prompt)
    own: list[Tensor] = []
    drawn_from: list[Tensor] = []
    for _ in range(params.max_tokens):
        ids = torch.tensor([tokens], device=model.device)
        logits = model.lm_head(model.hidden(model.embed(ids))[0, -1]).cpu()  # (V,)
        log_probs = sampling_log_probs(logits, temperature=params.temperature, top_k=params.top_k)
        token = int(torch.multinomial(log_probs.exp(), 1, generator=generator))
        tokens.append(token)
        own.append(logits.log_softmax(dim=-1)[token])
        drawn_from.append(log_probs[token])
    return Sample(
        tokens=tokens[len(prompt) :],
        log_probs=torch.stack(own),
        sampling_log_probs=torch.stack(drawn_from),
    )


def sentence_length(tokenizer: Tokenizer, tokens: list[int]) -> int:
    """Return how many of `tokens` make up the first sentence: all, when none ends.

    A paragraph break ends a sentence too, and is no part of it; leading ones are.
    """
    text, n_with_content = "", 0
    for index, piece in enumerate(tokenizer.decode_each(tokens)):
        text += piece
        if "\n\n" in text.lstrip():
            return n_with_content
        if piece.strip():
            n_with_content = index + 1
        if _SENTENCE_END.search(text):
            return index + 1
    return len(tokens)


@torch.no_grad()
def token_log_probs(model: GPT, context: list[int], tokens: list[int]) -> tuple[Tensor, Tensor]:
    """Return log p of each of `tokens` given all before it, and its rank from 1: (N,), (N,).

    `context` is conditioned on and not scored. Raises `ValueError` unless there is a context and
    all fit in the block, the last token excepted.
    """
    if not context:
        raise ValueError("a first token has no distribution: a context is required")
    ids = torch.tensor([context + tokens], device=model.device)
    logits = model(ids[:, :-1])[0, len(context) - 1 :]  # (N, V)
    index = torch.tensor(tokens, device=model.device)[:, None]  # (N, 1)
    own = logits.gather(-1, index)  # (N, 1)
    ranks = (logits > own).sum(dim=-1) + 1
    return logits.log_softmax(dim=-1).gather(-1, index).squeeze(-1).cpu(), ranks.cpu()


@dataclass(frozen=True, kw_only=True)
class Total:
    """One log-probability in the units people use."""

    nats: float
    bits: float
    log10: float
    nats_per_token: float
    perplexity: float


def total(log_probs: Tensor) -> Total:
    """Return the sum of N ≥ 1 log-probabilities in every unit, summed in double precision."""
    nats = float(log_probs.double().sum())
    mean = nats / len(log_probs)
    return Total(
        nats=nats,
        bits=nats / math.log(2),
        log10=nats / math.log(10),
        nats_per_token=mean,
        perplexity=math.exp(-mean),
    )


def naive_product(log_probs: Tensor) -> tuple[float, int | None]:
    """Multiply the probabilities in float32, as one should not.

    Returns the product, and after how many factors it was 0 first: None if it never was.
    """
    products = log_probs.float().exp().cumprod(dim=0)
    zeros = (products == 0).nonzero().flatten()
    return float(products[-1]), int(zeros[0]) + 1 if len(zeros) else None
