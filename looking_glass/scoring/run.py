"""What `python -m stages.score` does: lines in, rows out, in memory that no file fills."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tqdm import tqdm

from looking_glass.scoring.lines import Counter, chunks, read_lines, split_pair
from looking_glass.scoring.scored import LineScorer, ScoredLine
from looking_glass.scoring.tables import LINES, PAIRS, WORDS, Cell, Tally, line_rows, word_rows

EVERY = 30.0  # seconds between two lines of progress, where nobody sees a bar move


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is written of a line: a row, one for each word, or one for a pair of sentences."""

    words: bool = False
    pairs: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return PAIRS if self.pairs else WORDS if self.words else LINES


def score_stream(scorer: LineScorer, stream: Iterable[bytes], form: Form) -> Iterator[list[Cell]]:
    """Yield the header and then a row for each line, word or pair of a stream of bytes.

    Some lines are scored at a time, and none are kept. How far it is, and what the pairs came to,
    is told on standard error. Raises `InputError`, naming the line, on one that can't be scored.
    """
    yield list(form.columns)
    counter, tally, n_tokens, started = Counter(), Tally(), 0, time.monotonic()
    lines = read_lines(stream, counter)
    interval = 0.5 if sys.stderr.isatty() else EVERY
    with tqdm(desc="scored", unit=" lines", unit_scale=True, mininterval=interval) as bar:
        for some in chunks(lines):
            scored: list[ScoredLine]
            if form.pairs:
                pairs = [split_pair(line) for line in some]
                scored = scorer.score([one for pair in pairs for one in pair])
                yield from tally.rows(list(zip(scored[::2], scored[1::2], strict=True)))
            else:
                scored = scorer.score(some)
                yield from word_rows(scored) if form.words else line_rows(scored)
            n_tokens += sum(one.n_tokens for one in scored)
            bar.update(len(some))
    seconds = time.monotonic() - started
    blank = f", {counter.blank:,} blank ones left out" if counter.blank else ""
    print(
        f"{counter.lines - counter.blank:,} lines{blank}, {n_tokens:,} tokens in {seconds:.1f} s",
        file=sys.stderr,
    )
    if form.pairs:
        print(tally.told(), file=sys.stderr)
