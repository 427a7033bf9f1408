"""Rows of numbers worked by hand, and what pairs come to."""

from __future__ import annotations

import numpy as np
import pytest

from looking_glass.scoring.batches import TextScores
from looking_glass.scoring.lines import TextLine
from looking_glass.scoring.scored import ScoredLine
from looking_glass.scoring.tables import LINES, PAIRS, WORDS, Tally, line_rows, word_rows
from looking_glass.text.words import Word


def line(
    log_probs: list[float], *, number: int = 1, trigram: list[float] | None = None
) -> ScoredLine:
    """A line "squirrel nut" whose first word has all tokens but the last."""
    n = len(log_probs)
    return ScoredLine(
        line=TextLine(number=number, text="squirrel nut"),
        words=[Word("squirrel", 0, n - 1), Word("nut", n - 1, n)],
        scores=TextScores(
            log_probs=np.array(log_probs), word_starts=np.linspace(-0.5, -0.1, n + 1)
        ),
        trigram=None if trigram is None else np.array(trigram),
        after_space=True,
        is_corrected=True,
    )


def test_a_row_per_line_and_a_row_per_word_by_hand() -> None:
    # Word starts: -0.5 (certain, after a space), -0.3667, -0.2333, -0.1.
    one = line([-1.0, -2.0, -4.0], number=5, trigram=[0.5, 0.5, 3.0])
    (row,) = line_rows([one])
    assert dict(zip(LINES, row, strict=True)) == {
        "line": 5,
        "text": "squirrel nut",
        "tokens": 3,
        "words": 2,
        "nats": -7.0,
        "corrected_nats": pytest.approx(-7.1),
        "trigram_nats": -4.0,
    }
    rows = [dict(zip(WORDS, found, strict=True)) for found in word_rows([one])]
    assert [found["surprisal"] for found in rows] == [3.0, 4.0]
    # -log p, less log P(a word begins after it), and log P(one begins before it) added.
    assert rows[0]["corrected"] == pytest.approx(3.0 - -0.23333 + 0.0)
    assert rows[1]["corrected"] == pytest.approx(4.0 - -0.1 + -0.23333)
    assert [found["trigram"] for found in rows] == [1.0, 3.0]
    assert [(found["word"], found["tokens"]) for found in rows] == [(0, 2), (1, 1)]


def test_what_is_no_number_is_left_empty() -> None:
    (row,) = line_rows([line([-1.0, -np.inf])])
    assert row[4:] == [None, None, None]


def test_pairs_are_counted_beside_chance_and_the_trigram() -> None:
    tally = Tally()
    assert tally.told() == "no pairs"
    better, worse = line([-1.0, -1.0], trigram=[2.0, 2.0]), line([-2.0, -1.0], trigram=[1.0, 1.0])
    rows = list(tally.rows([(better, worse), (worse, better), (better, better)] * 10))
    row = dict(zip(PAIRS, rows[0], strict=True))
    assert (row["difference"], row["right"]) == (1.0, 1)
    assert (row["trigram_difference"], row["trigram_right"]) == (-2.0, 0)
    assert tally.told() == (
        "accuracy 0.333 (0.192 to 0.512 with 95 % confidence) of 30 pairs, chance 0.5, the trigram "
        "0.333; 10 equally probable, which count as wrong"
    )
