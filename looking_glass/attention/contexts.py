"""Contexts of so many whole words from a text, and what a model chose after each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from looking_glass.attention.choices import Choices, choose
from looking_glass.attention.interventions import Span
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.compute import ComputeParams, side_by_side
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Tokens
from looking_glass.text.reader import Reader
from looking_glass.text.words import Word

LEAST = 2  # contexts: of one there is no interval


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

    def case(piece: list[Word]) -> Case:
        start, stop = piece[0].start, piece[-1].stop
        context = torch.tensor([tokens[start:stop]], device=model.device)
        spans = [(word.start - start, word.stop - start) for word in piece]
        return Case(words=spans, choices=choose(model, context))

    drawn = torch.randperm(len(pieces), generator=generator)[:n].tolist()
    return side_by_side(case, [pieces[index] for index in drawn], compute)


def seen_by(other: GPT, cases: list[Case], compute: ComputeParams) -> list[Case]:
    """Return the same cases as another model sees them, asked about the same choices."""

    def again(case: Case) -> Case:
        same = case.choices
        return Case(words=case.words, choices=choose(other, same.contexts, same.chosen))

    return side_by_side(again, cases, compute)
