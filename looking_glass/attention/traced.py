"""A sentence as the model saw it: every block's pattern, and the choice of its 11th word."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.attention.choices import Choices, choose
from looking_glass.attention.contexts import Case
from looking_glass.attention.continuation import Continuation
from looking_glass.attention.interventions import Span, knock_outs
from looking_glass.attention.patterns import trace, word_pattern
from looking_glass.gpt.model import GPT
from looking_glass.text.tokenizer import Tokenizer

SUM_TOLERANCE = 1e-5  # of a row's sum of attention, computed in float32


@dataclass(frozen=True, kw_only=True)
class TracedSentence:
    """A sentence as the model saw it: every pattern, and the choice of its 11th word."""

    sentence: Continuation
    texts: list[str]  # of its tokens
    patterns: Tensor  # (L, nh, T, T), on the CPU
    choices: Choices  # of one context: all that the choice saw

    @property
    def case(self) -> Case:
        """Return the choice with the words that it saw."""
        return Case(words=self.spans, choices=self.choices)

    @property
    def words(self) -> list[str]:
        """Return the twelve words."""
        return [word.text for word in self.sentence.words]

    @property
    def own(self) -> range:
        """Return the positions of the 11th word."""
        return range(self.sentence.eleventh.start, self.sentence.eleventh.stop)

    @property
    def spans(self) -> list[Span]:
        """Return every word that the choice saw, as its range of positions."""
        end = self.sentence.predicting + 1
        return [(word.start, word.stop) for word in self.sentence.words if word.stop <= end]


def trace_sentence(model: GPT, tokenizer: Tokenizer, sentence: Continuation) -> TracedSentence:
    """Return the sentence as the model sees it, each row of attention checked to sum to 1."""
    tokens = torch.tensor([sentence.tokens], device=model.device)
    traced = trace(model, model.embed(tokens))
    patterns = torch.stack([pattern[0].cpu() for pattern in traced.patterns])
    worst = float((patterns.double().sum(dim=-1) - 1).abs().max())
    assert worst <= SUM_TOLERANCE, f"a row of attention sums to 1, off by {worst}"
    return TracedSentence(
        sentence=sentence,
        texts=tokenizer.decode_each(sentence.tokens),
        patterns=patterns,
        choices=choose(model, tokens[:, : sentence.predicting + 1]),
    )


def word_arrays(model: GPT, traced: TracedSentence) -> dict[str, Tensor]:
    """Return what all L blocks show of every word, for who wants more than the tables.

    `predicting` (L, nh, W, W), the attention to each word of the row that predicted each word;
    `own` (L, nh, W, W), that of each word's own rows; `effect` (L, W, W), the nats that each
    word's first token loses without the block's attention to each word before it: no number for
    the one source of the second word, since without it nothing would be left to attend to.
    """
    words, patterns = traced.sentence.words, traced.patterns
    W, (L, nh) = len(words), patterns.shape[:2]
    received = torch.stack(
        [patterns[..., w.start : w.stop].sum(dim=-1) for w in words], dim=-1
    )  # (L, nh, T, W)
    predicting, effect = torch.zeros(L, nh, W, W), torch.zeros(L, W, W)
    tokens = torch.tensor([traced.sentence.tokens], device=model.device)
    for index, word in enumerate(words[1:], start=1):
        predicting[:, :, index] = received[:, :, word.start - 1]
        choices = choose(model, tokens[:, : word.start], tokens[:, word.start])
        before = [(w.start, w.stop) for w in words[:index]]
        for layer in range(L):
            effect[layer, index, :index] = knock_outs(model, choices, [layer], sources=before)[0]
    own = torch.stack([received[:, :, w.start : w.stop].mean(dim=2) for w in words], dim=2)
    return {"predicting": predicting, "own": own, "effect": effect}


def block_arrays(traced: TracedSentence, block: int) -> dict[str, Tensor]:
    """Return a block's pattern (nh, T, T), and `words` (W, W), its mean over heads by word."""
    pattern = traced.patterns[block]
    return {"pattern": pattern, "words": word_pattern(pattern.mean(dim=0), traced.sentence.words)}
