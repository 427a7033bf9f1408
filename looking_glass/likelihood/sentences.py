"""The sentences that are scored: drawn from the model, taken from the book, or the user's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from looking_glass.likelihood.params import LogprobParams
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Tokens
from looking_glass.text.reader import Reader
from looking_glass.text.sentence_ends import PARAGRAPH
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.text.words import joined, space_between


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A text to score, and what it is called."""

    name: str  # as in `logprob.compare`, or "yours" and a number
    tokens: list[int]


def prompt_tokens(tokenizer: Tokenizer, params: LogprobParams, block_size: int) -> list[int]:
    """Return the prompt's tokens; raise `InputError` unless sentences can be drawn after it."""
    prompt = tokenizer.encode_prompt(params.context)
    if not prompt:
        raise InputError("logprob.prompt: at least one token is required to begin from, got none")
    if len(prompt) + params.max_tokens > block_size + 1:  # the last token drawn is never an input
        raise InputError(
            f"logprob: the prompt's {len(prompt)} tokens and max_tokens {params.max_tokens} must "
            f"fit in a block of {block_size} and one token more: lower max_tokens"
        )
    if params.stride > block_size:
        raise InputError(
            f"logprob.stride: at most the block, {block_size} tokens, is required, got "
            f"{params.stride}: or tokens between two windows would go unscored"
        )
    return prompt


def continuation(tokenizer: Tokenizer, prompt: str, text: str) -> list[int]:
    """Return the tokens of `text` as it goes on after `prompt`: a space is put between words.

    None is put where the script of either has none. They are those of the two written as one text,
    less the prompt's own: white space at the end of a prompt, which GPT-2's encoder gives to the
    word after it, is in the first of them. Raises `InputError` where the text changes the prompt's
    own tokens.
    """
    own = tokenizer.encode_prompt(prompt)
    whole = tokenizer.encode(prompt + space_between(prompt, text) + text)
    if whole[: len(own)] != own:
        raise InputError(
            "logprob.prompt: it must end where a token of the joined text ends, "
            f"{prompt!r} does not before {text[:20]!r}: put the end of the prompt into the sentence"
        )
    return whole[len(own) :]


def users_sentences(tokenizer: Tokenizer, params: LogprobParams) -> list[Sentence]:
    """Return the user's own sentences; raise `InputError` on one of no tokens."""
    found = []
    for number, text in enumerate(params.sentences, start=1):
        if not text.strip():
            raise InputError(
                f"logprob.sentences: text is required in each, but number {number} is {text!r}: "
                "take it out"
            )
        name = "yours" if len(params.sentences) == 1 else f"yours {number}"
        found.append(Sentence(name=name, tokens=continuation(tokenizer, params.context, text)))
    return found


def shuffled(tokenizer: Reader, prompt: str, text: str, seed: int) -> Sentence | None:
    """Return the words of `text` in another order, drawn from `seed`; None where it has none.

    A space is put between two, but not where either script has none. Words that are tokens are put
    one after the other as they are.
    """
    if not text.strip():
        return None
    tokens = tokenizer.encode(text)
    words = tokenizer.words(tokens)
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(seed)).tolist()
    if tokenizer.text.words == "tokens":
        mixed = [token for i in order for token in tokens[words[i].start : words[i].stop]]
        return Sentence(name="shuffled", tokens=mixed)
    join = " ".join if tokenizer.text.words == "spaces" else joined
    mixed = continuation(tokenizer, prompt, join([words[i].text for i in order]))
    return Sentence(name="shuffled", tokens=mixed)


def held_out(tokenizer: Reader, text: Tokens) -> Sentence:
    """Return the first sentence of the first whole paragraph of a text, or of the text itself."""
    break_ = tokenizer.encode_prompt(PARAGRAPH)
    tokens = np.asarray(text).tolist()
    n = len(break_)
    starts = (i + n for i in range(len(tokens) - n) if tokens[i : i + n] == break_)
    start = next(starts, 0)
    # No sentence of the book is longer than this many tokens, and a longer one may be cut.
    rest = tokens[start : start + 500]
    return Sentence(name="held_out", tokens=rest[: tokenizer.sentence_length(rest)])
