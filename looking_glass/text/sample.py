"""What of a long text is read where the whole would take too long."""

from __future__ import annotations

import itertools

from looking_glass.text.corpus import Tokens

Runs = tuple[Tokens, ...]  # of one text, each of tokens in a row
Text = Tokens | Runs  # whole, or what was taken of it

# Tokens of a text that a model is measured on. On two cores a default model reads so many in some
# ten seconds; the mean of their losses has a standard error of about 0.015 nats.
MOST = 40_000
RUN = 4_000  # tokens in a row: a model that reads them in blocks loses next to nothing at the ends


def sample_runs(text: Tokens, most: int = MOST) -> Runs:
    """Return the whole of `text` in one run, or of a longer one runs of `most` tokens in all.

    Runs of about `RUN` tokens, equally long, each in the middle of its equal part of the text: the
    same ones each time, and none of them copied. A text in which the subject changes is met
    everywhere, and no two runs have a token in common.
    """
    if len(text) <= most:
        return (text,)
    n = -(-most // RUN)
    length, edges = most // n, [index * len(text) // n for index in range(n + 1)]
    starts = [a + (b - a - length) // 2 for a, b in itertools.pairwise(edges)]
    return tuple(text[start : start + length] for start in starts)


def runs_of(text: Text) -> Runs:
    """Return a text as runs: a whole one is one run."""
    return text if isinstance(text, tuple) else (text,)


def n_tokens(text: Text) -> int:
    """Return how many tokens a text has, or its runs in all."""
    return sum(map(len, runs_of(text)))
