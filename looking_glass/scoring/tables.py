"""Scored lines → rows of a CSV, and what pairs of them come to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from looking_glass.pipeline.statistics import wilson_interval
from looking_glass.scoring.scored import ScoredLine

Cell = str | int | float | None
CHANCE = 0.5  # of two sentences, the right one
DIGITS = 5  # after the point: what comes after is the rounding of sums of float32
LINES = ("line", "text", "tokens", "words", "nats", "corrected_nats", "trigram_nats")
WORDS = ("line", "word", "text", "tokens", "surprisal", "corrected", "trigram")
PAIRS = (
    *("line", "text", "other", "tokens", "other_tokens", "nats", "other_nats"),
    *("difference", "right", "trigram_difference", "trigram_right"),
)


def line_rows(scored: Sequence[ScoredLine]) -> Iterator[list[Cell]]:
    """Yield a row per line, as `LINES`: log-probabilities in nats."""
    for one in scored:
        counts = [one.n_tokens, len(one.words)]
        nats = [one.nats, one.corrected_nats, one.trigram_nats]
        yield [one.line.number, one.line.text, *counts, *map(_rounded, nats)]


def word_rows(scored: Sequence[ScoredLine]) -> Iterator[list[Cell]]:
    """Yield a row per word, as `WORDS`: surprisals in nats."""
    for one in scored:
        plain, corrected, trigram = one.plain(), one.corrected(), one.by_trigram()
        for index, word in enumerate(one.words):
            values = [plain[index], corrected[index], None if trigram is None else trigram[index]]
            place: list[Cell] = [one.line.number, index, word.text, word.stop - word.start]
            yield [*place, *(_rounded(None if v is None else float(v)) for v in values)]


@dataclass
class Tally:
    """How often the first of two sentences was the more probable, so far."""

    pairs: int = 0
    right: int = 0
    equal: int = 0  # as probable as each other: not right
    trigram_right: int | None = None  # None where there is no trigram

    def rows(self, pairs: Sequence[tuple[ScoredLine, ScoredLine]]) -> Iterator[list[Cell]]:
        """Yield a row per pair, as `PAIRS`, and count it."""
        for good, bad in pairs:
            difference = good.nats - bad.nats
            of_trigram = None
            if good.trigram_nats is not None and bad.trigram_nats is not None:
                of_trigram = good.trigram_nats - bad.trigram_nats
                self.trigram_right = (self.trigram_right or 0) + (of_trigram > 0)
            self.pairs += 1
            self.right += difference > 0
            self.equal += difference == 0
            texts: list[Cell] = [good.line.number, good.line.text, bad.line.text]
            counts = [good.n_tokens, bad.n_tokens]
            nats = [_rounded(one.nats) for one in (good, bad)]
            by_trigram = [_rounded(of_trigram), None if of_trigram is None else int(of_trigram > 0)]
            yield [*texts, *counts, *nats, _rounded(difference), int(difference > 0), *by_trigram]

    def told(self) -> str:
        """Return the accuracy with its 95 % interval (Wilson's), beside chance and the trigram."""
        if not self.pairs:
            return "no pairs"
        share = self.right / self.pairs
        low, high = wilson_interval(share, self.pairs)
        line = (
            f"accuracy {share:.3f} ({low:.3f} to {high:.3f} with 95 % confidence) of "
            f"{self.pairs:,} pairs, chance {CHANCE}"
        )
        if self.trigram_right is not None:
            line += f", the trigram {self.trigram_right / self.pairs:.3f}"
        if self.equal:
            line += f"; {self.equal:,} equally probable, which count as wrong"
        return line


def _rounded(value: float | None) -> float | None:
    """Return a number as it is written; infinities and None as nothing."""
    return round(value, DIGITS) + 0.0 if value is not None and math.isfinite(value) else None
