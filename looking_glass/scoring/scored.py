"""A line and all that is said of it: by the model, and by a trigram beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from looking_glass.gpt.model import GPT
from looking_glass.likelihood.scores import word_starters
from looking_glass.likelihood.sentences import continuation
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.pipeline.errors import InputError
from looking_glass.scoring.batches import BatchScorer, Floats, TextScores
from looking_glass.scoring.lines import TextLine
from looking_glass.text.reader import Reader
from looking_glass.text.words import Word, has_unspaced

# The losses in nats of the tokens of several texts, each after so many first ones of its own that
# are not scored: one list for all.
Baseline = Callable[[Sequence[Sequence[int]], int], Floats]


@dataclass(frozen=True, kw_only=True)
class ScoredLine:
    """A line of N tokens and W words with its scores. Surprisals are in nats, -log p."""

    line: TextLine
    words: list[Word]
    scores: TextScores
    trigram: Floats | None  # (N,) surprisals; None where there is no trigram
    after_space: bool  # the context ends in white space
    is_corrected: bool  # a space tells where words begin

    @property
    def n_tokens(self) -> int:
        """Return N."""
        return len(self.scores.log_probs)

    @property
    def nats(self) -> float:
        """Return the log-probability of the line: the sum over its tokens."""
        return float(self.scores.log_probs.sum())

    @property
    def trigram_nats(self) -> float | None:
        """Return the trigram's log-probability of the line."""
        return None if self.trigram is None else -float(self.trigram.sum())

    @property
    def corrected_nats(self) -> float:
        """Return the log-probability of the line as words: what ends one is put right."""
        return -float(self.corrected().sum())

    def plain(self) -> Floats:
        """Return the surprisal of each word's tokens: (W,)."""
        return self._by_word(-self.scores.log_probs)

    def corrected(self) -> Floats:
        """Return each word's surprisal as a word: (W,). See `likelihood.scores.word_surprisals`.

        Where no space tells that a word begins, that of its tokens.
        """
        if not self.is_corrected:
            return self.plain()
        starts = self.scores.word_starts.copy()
        if self.after_space:
            starts[0] = 0.0
        edges = [*(word.start for word in self.words), self.n_tokens]
        return self.plain() - np.diff(starts[edges])

    def by_trigram(self) -> Floats | None:
        """Return the trigram's surprisal of each word's tokens: (W,)."""
        return None if self.trigram is None else self._by_word(self.trigram)

    def _by_word(self, values: Floats) -> Floats:
        summed: Floats = np.add.reduceat(values, [word.start for word in self.words])
        return summed


class LineScorer:
    """Scores lines, each as it goes on after the same prompt."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Reader,
        prompt: str,
        compute: ComputeParams,
        *,
        stride: int,
        trigram: Baseline | None = None,
    ) -> None:
        """Raise `InputError` unless the prompt has a token, and the block holds one more.

        A line that the block cannot hold is read through a window moved by `stride` tokens.
        """
        context, block = tokenizer.encode_prompt(prompt), model.config.block_size
        if not 0 < len(context) < block:
            raise InputError(
                f"logprob.prompt: 1 to {block - 1} tokens are required, so that one more fits in "
                f"the block, got {len(context)}: change it"
            )
        if stride > block:
            raise InputError(
                f"logprob.stride: at most the block, {block} tokens, is required, got {stride}: "
                "or tokens between two windows would go unscored"
            )
        self.tokenizer, self.prompt, self.context, self.trigram = (
            tokenizer,
            prompt,
            context,
            trigram,
        )
        begins = word_starters(tokenizer.token_bytes(), tokenizer.end_of_text)
        self.batches = BatchScorer(model, context, begins, compute, stride=stride)

    def score(self, lines: Sequence[TextLine]) -> list[ScoredLine]:
        """Return what is said of each line, in their order. Raises `InputError` by its number."""
        tokens = [self._tokens(line) for line in lines]
        scores = self.batches.score(tokens)
        trigrams: list[Floats] | list[None] = [None] * len(lines)
        if self.trigram is not None:
            n = len(self.context)
            losses = self.trigram([[*self.context, *one] for one in tokens], n)
            trigrams = np.split(losses, np.cumsum([len(one) for one in tokens])[:-1])
        spaced = self.tokenizer.text.words == "spaces"
        return [
            ScoredLine(
                line=line,
                words=self.tokenizer.words(ids),
                scores=own,
                trigram=trigram,
                after_space=self.prompt[-1:].isspace(),
                is_corrected=spaced and not has_unspaced(line.text),
            )
            for line, ids, own, trigram in zip(lines, tokens, scores, trigrams, strict=True)
        ]

    def _tokens(self, line: TextLine) -> list[int]:
        try:
            return continuation(self.tokenizer, self.prompt, line.text)
        except InputError as error:
            raise InputError(f"line {line.number}: {error}") from None
