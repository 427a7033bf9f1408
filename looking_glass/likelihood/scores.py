"""How probable a model finds a text: token by token, word by word, and in all.

Logarithms are natural (nats) unless a name says otherwise, and at most 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import double
from looking_glass.text.words import Word

WINDOWS = 8  # read at once
POSITIONS = 128  # whose logits are in memory at once: 26 MB of 50,257 each


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a model says of N tokens, each given all before it that its window holds."""

    log_probs: Tensor  # (N,) nats
    ranks: Tensor  # (N,) from 1: how many tokens were more probable, and one
    entropies: Tensor  # (N,) nats: of the distribution that the token came from
    largest: Tensor  # (N,) nats: the log-probability of the most probable token there
    word_starts: Tensor  # (N + 1,) nats: that a word begins before each token, and after the last


@torch.no_grad()
def score(
    model: GPT,
    context: Sequence[int],
    tokens: Sequence[int],
    *,
    stride: int,
    begins_word: Tensor,
) -> Scores:
    """Score each of `tokens`, N of them; `context` is conditioned on and not scored.

    A text over the block is read through a window of the block's size, moved by `stride` tokens: a
    token out of the first window has block_size - stride tokens of context or more. `begins_word`
    (V,) is 1 for each token that can begin a word. Raises `ValueError` without context or tokens.
    """
    if not context or not tokens:
        raise ValueError("a token to score and one of context are required")
    ids = torch.tensor([*context, *tokens], device=model.device)
    hidden = torch.cat(list(window_states(model, ids, stride)))[len(context) - 1 :]  # (N + 1, C)
    targets = torch.cat([ids[len(context) :], ids[-1:]])  # the last one has no target: it repeats
    begins = double(begins_word.to(hidden.device))
    columns = [
        _columns(model.lm_head(rows), wanted, begins)
        for rows, wanted in zip(_pieces(hidden), _pieces(targets), strict=True)
    ]
    arrays = [torch.cat(column).cpu() for column in zip(*columns, strict=True)]
    own, ranks, entropies, largest, starts = arrays
    N = len(tokens)
    return Scores(
        log_probs=own[:N],
        ranks=ranks[:N],
        entropies=entropies[:N],
        largest=largest[:N],
        word_starts=starts,
    )


def joined(scores: Sequence[Scores]) -> Scores:
    """Return the scores of several texts as those of one: their tokens, one text after the other.

    What is said after the last token is that after the last text's.
    """
    names = ("log_probs", "ranks", "entropies", "largest")
    starts = [one.word_starts[:-1] for one in scores]
    return Scores(
        **{name: torch.cat([getattr(one, name) for one in scores]) for name in names},
        word_starts=torch.cat([*starts, scores[-1].word_starts[-1:]]),
    )


def _pieces(rows: Tensor) -> Iterator[Tensor]:
    for start in range(0, len(rows), POSITIONS):
        yield rows[start : start + POSITIONS]


def window_states(model: GPT, ids: Tensor, stride: int) -> Iterator[Tensor]:
    """Yield the hidden states of all positions of ids (n,) in their order, a window's at a time."""
    n, block = len(ids), model.config.block_size
    yield model.hidden(model.embed(ids[None, :block]))[0]
    starts = range(stride, n - block + stride, stride) if n > block else range(0)
    whole = [start for start in starts if start + block <= n]
    for first in range(0, len(whole), WINDOWS):
        some = whole[first : first + WINDOWS]
        windows = torch.stack([ids[start : start + block] for start in some])
        yield model.hidden(model.embed(windows))[:, -stride:].flatten(0, 1)
    for start in starts[len(whole) :]:  # the last one, when it is not filled
        yield model.hidden(model.embed(ids[None, start:]))[0, block - stride :]


def _columns(logits: Tensor, targets: Tensor, begins: Tensor) -> tuple[Tensor, ...]:
    """Return the columns of `Scores` for logits (n, V) and targets (n,): five of (n,)."""
    own = logits.gather(-1, targets[:, None])  # (n, 1)
    ranks = (logits > own).sum(dim=-1) + 1
    # In float32 rescoring was up to 3.6e-5 nats from what was recorded while drawing.
    log_probs = double(logits).log_softmax(dim=-1)
    probs = log_probs.exp()
    return (
        log_probs.gather(-1, targets[:, None].to(log_probs.device))[:, 0],
        ranks,
        -torch.linalg.vecdot(probs, log_probs),
        log_probs.amax(dim=-1),
        (probs @ begins).clamp(max=1).log(),
    )


def word_starters(pieces: Sequence[bytes], end_of_text: int | None) -> Tensor:
    """Return which tokens, by their bytes, begin a word after another: white space first: (V,).

    The end of a text ends a word too: the token `end_of_text`, where there is one, is among them.
    """
    starts = torch.tensor([piece[:1].isspace() for piece in pieces])
    if end_of_text is not None:
        starts[end_of_text] = True
    return starts


@dataclass(frozen=True, kw_only=True)
class WordSurprisals:
    """What each of W words cost, in nats, both sums being over its tokens."""

    plain: list[float]  # -log p of the word's tokens
    corrected: list[float]  # of the word: that it ends there, and that one begins, put right


def word_surprisals(scores: Scores, words: Sequence[Word], *, after_space: bool) -> WordSurprisals:
    """Return each word's surprisal, plain and corrected.

    The tokens of GPT-2 mark where a word begins, not where it ends: the tokens of "her" say
    nothing of whether "herself" follows. So -log p(tokens) is that of a beginning. The word's own
    is -log p(tokens) - log P(a word begins after it) + log P(a word begins before it). Source:
    Pimentel & Meister 2024, How to Compute the Probability of a Word. `after_space`: the context
    ends in white space, so that a word begins before the first token for sure.
    """
    before = scores.word_starts.double().clone()
    if after_space:
        before[0] = 0.0
    plain = [-float(scores.log_probs[w.start : w.stop].double().sum()) for w in words]
    put_right = [float(before[w.start] - before[w.stop]) for w in words]
    return WordSurprisals(
        plain=plain, corrected=[a + b for a, b in zip(plain, put_right, strict=True)]
    )


@dataclass(frozen=True, kw_only=True)
class Total:
    """One log-probability in the units people use."""

    nats: float
    bits: float
    log10: float
    nats_per_token: float
    perplexity: float  # per token
    bits_per_byte: float  # of the text in UTF-8


def total(log_probs: Tensor, n_bytes: int) -> Total:
    """Return the sum of N ≥ 1 log-probabilities in every unit, summed in double precision."""
    nats = float(log_probs.double().sum())
    mean = nats / len(log_probs)
    return Total(
        nats=nats,
        bits=nats / math.log(2),
        log10=nats / math.log(10),
        nats_per_token=mean,
        perplexity=math.exp(-mean),
        bits_per_byte=-nats / math.log(2) / n_bytes,
    )


def naive_product(log_probs: Tensor) -> tuple[float, int | None]:
    """Multiply the probabilities in float32, as one should not.

    Returns the product, and after how many factors it was 0 first: None if it never was.
    """
    products = log_probs.float().exp().cumprod(dim=0)
    zeros = (products == 0).nonzero().flatten()
    return float(products[-1]), int(zeros[0]) + 1 if len(zeros) else None
