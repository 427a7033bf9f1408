"""Contexts of so many whole words from a text, and what a model chose after each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from looking_glass.attention.choices import Choices, choose
from looking_glass.attention.interventions import Span
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Tokens
from looking_glass.text.reader import Reader

LEAST = 2  # contexts: of one there is no interval
AT_ONCE = 16  # contexts of one length


@dataclass(frozen=True, kw_only=True)
class Case:
    """A context, its words, and the model's choice after it."""

    words: list[Span]  # in their order, every token in one of them
    choices: Choices  # of this one context

    @property
    def length(self) -> int:
        """Return its tokens."""
        return self.choices.contexts.shape[1]


def draw_cases(
    model: GPT,
    tokenizer: Reader,
    text: Tokens,
    *,
    n: int,
    n_words: int,
    generator: torch.Generator,
    compute: ComputeParams,
) -> list[Case]:
    """Return at most `n` cases of `n_words` words each, in a random order.

    No two have a token in common: each is one of the pieces that the text falls into, `n_words`
    words at a time. The text's first and last word may be cut, and are left out, as is a piece that
    the model's block cannot hold. Raises `InputError` when fewer than two pieces are left.
    """
    tokens = [int(token) for token in text]
    words = tokenizer.words(tokens)[1:-1]
    pieces = [words[at : at + n_words] for at in range(0, len(words) - n_words + 1, n_words)]
    pieces = [one for one in pieces if one[-1].stop - one[0].start <= model.config.block_size]
    if len(pieces) < LEAST:
        raise InputError(
            f"attention.context_words: at least {LEAST} pieces of {n_words} whole words that a "
            f"block of {model.config.block_size} tokens holds are required, the held-out text of "
            f"{len(words)} words has {len(pieces)}: take a longer text, a larger "
            "encode.validation_fraction or fewer context_words (text.words says what a word is)"
        )

    drawn = torch.randperm(len(pieces), generator=generator)[:n].tolist()
    chosen = [pieces[index] for index in drawn]
    contexts = [tokens[piece[0].start : piece[-1].stop] for piece in chosen]
    asked = [torch.tensor([one], device=model.device) for one in contexts]
    made = _choose_each(model, asked, None, compute)
    cases = []
    for piece, choices in zip(chosen, made, strict=True):
        start = piece[0].start
        spans = [(word.start - start, word.stop - start) for word in piece]
        cases.append(Case(words=spans, choices=choices))
    return cases


def seen_by(other: GPT, cases: list[Case], compute: ComputeParams) -> list[Case]:
    """Return the same cases as another model sees them, asked about the same choices."""
    same = [case.choices for case in cases]
    asked = [one.contexts for one in same], [one.chosen for one in same]
    again = _choose_each(other, *asked, compute)
    return [Case(words=c.words, choices=one) for c, one in zip(cases, again, strict=True)]


def _choose_each(
    model: GPT, contexts: list[Tensor], chosen: list[Tensor] | None, compute: ComputeParams
) -> list[Choices]:
    """Return the choice after each of `contexts` (1, T), in their order: see `choose`.

    Those of one length are a batch.
    """
    by_length: dict[int, list[int]] = {}
    for index, context in enumerate(contexts):
        by_length.setdefault(context.shape[1], []).append(index)
    batches = [
        indices[at : at + AT_ONCE]
        for indices in by_length.values()
        for at in range(0, len(indices), AT_ONCE)
    ]

    def of(batch: list[int]) -> list[Choices]:
        given = None if chosen is None else torch.cat([chosen[index] for index in batch])
        return choose(model, torch.cat([contexts[index] for index in batch]), given).each()

    made = side_by_side(of, batches, compute)
    found = {
        index: one
        for batch, choices in zip(batches, made, strict=True)
        for index, one in zip(batch, choices, strict=True)
    }
    return [found[index] for index in range(len(contexts))]
