"""A prompt of ten words and the two that the model writes after it: the choice to explain."""

from __future__ import annotations

from dataclasses import dataclass

from looking_glass.gpt.generation import continue_greedily
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError, shorten
from looking_glass.text.reader import Reader
from looking_glass.text.words import Word

N_PROMPT_WORDS = 10
N_NEW_WORDS = 2
REPEATED, KINDS = 8, 2  # so many tokens of so few kinds are no text of a trained model


@dataclass(frozen=True, kw_only=True)
class Continuation:
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


def continue_prompt(model: GPT, tokenizer: Reader, prompt: str) -> Continuation:
    """Return the prompt and the two words that the model writes after it, greedily.

    A word is complete when the next one has begun. Where the model first adds to the prompt's last
    word (a comma, say), that belongs to the tenth word. Raises `InputError` unless the prompt has
    ten words and two more fit in the block, or when it only repeats itself.
    """
    prompt_tokens = tokenizer.encode(prompt.rstrip())
    n_words = len(tokenizer.words(prompt_tokens))
    if n_words != N_PROMPT_WORDS:
        raise InputError(
            f"attention.prompts: exactly {N_PROMPT_WORDS} words are required, so that the 11th is "
            f"the model's; got {n_words} in {shorten(repr(prompt))}: add or remove some "
            "(text.words says what a word is)"
        )
    block_size = model.config.block_size
    room = block_size - len(prompt_tokens)
    if room > 0:
        # The word after the last one tells where that ends, and one more that it ends there.
        wanted = N_PROMPT_WORDS + N_NEW_WORDS + 2
        tokens = continue_greedily(
            model, prompt_tokens, room, lambda made: len(tokenizer.words(made)) >= wanted
        )
        words = tokenizer.words(tokens)
        if len(words) > N_PROMPT_WORDS and words[N_PROMPT_WORDS].start < len(prompt_tokens):
            raise InputError(
                "attention.prompts: the end of the tenth word is required at the end, but "
                f"{prompt!r} ends in what the eleventh begins with: take that out"
            )
        if len(words) > N_PROMPT_WORDS + N_NEW_WORDS:
            words = words[: N_PROMPT_WORDS + N_NEW_WORDS]
            predicting = words[N_PROMPT_WORDS].start - 1
            return Continuation(tokens=tokens[: words[-1].stop], words=words, predicting=predicting)
        _check_variety(tokenizer, tokens[len(prompt_tokens) :], prompt)
    raise InputError(
        f"attention.prompts: the model must write {N_NEW_WORDS} whole words after the "
        f"{len(prompt_tokens)} tokens of {shorten(repr(prompt))} within a block of {block_size}; "
        "it did not: choose another prompt or a larger model.block_size"
    )


def _check_variety(tokenizer: Reader, new: list[int], prompt: str) -> None:
    """Raise `InputError` when the model wrote two kinds of tokens at most: it is hardly trained."""
    kinds = len(set(new))
    if len(new) >= REPEATED and kinds <= KINDS:
        raise InputError(
            f"attention.prompts: the model must write {N_NEW_WORDS} whole words after "
            f"{shorten(repr(prompt))}; it repeats {shorten(repr(tokenizer.decode(new)), 40)}, "
            f"{kinds} different among {len(new)} tokens: it has learned too little, train longer "
            "(train.steps)"
        )


def continuation_of(tokenizer: Reader, tokens: list[int]) -> Continuation:
    """Return the continuation that `continue_prompt` made of these tokens, prompt included."""
    words = tokenizer.words(tokens)
    return Continuation(tokens=tokens, words=words, predicting=words[N_PROMPT_WORDS].start - 1)
