"""What is said of an inversion follows from its numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose.inversion import (
    explain_ceiling,
    explain_controls,
    explain_readings,
    explain_tokens,
    explain_words,
)
from tests.helpers.report import FRONTIER, READINGS, TOKENS

CEILING: dict[str, Any] = {
    "lowest_possible_loss": 0.5,
    "largest_gap_between_bounds": 0.001,
    "loudest_vectors_loss": 0.501,
    "loudest_vectors_exact": True,
    "tokens_that_can_be_argmax": 2,
}


def test_the_ceiling_is_told_with_its_proof() -> None:
    text = " ".join(explain_ceiling(CEILING, 2))
    assert "below 0.500 nats per token" in text
    assert "within 0.001 nats of each other. Each of its 2 tokens can be" in text
    assert "have a loss of 0.501 and say the sentence exactly" in text
    fewer = CEILING | {"tokens_that_can_be_argmax": 1, "loudest_vectors_exact": False}
    text = " ".join(explain_ceiling(fewer, 2))
    assert "1 of its 2 tokens can be" in text
    assert "do not say it" in text


def test_a_reading_is_called_exact_only_where_it_was() -> None:
    reading = {"token_accuracy": 0.5, "loss": 2.0, "smallest_gap": 0.1, "first_exact_step": 7}
    robust = {"exact_in_float64": 1.0, "exact_in_bfloat16": 0.5, "noise_radius": 1.25}
    parallel, one, three = explain_readings(
        {
            "parallel": {**reading, **robust, "exact_rate": 1.0},
            "prefix_1": {**reading, "exact_rate": 0.0},
            "prefix_3": {**reading, **robust, "exact_rate": 0.25},
        },
        READINGS,
        0.5,
    )
    assert "Parallel: every restart says exactly the sentence" in parallel
    assert "1.5 nats above the lowest possible" in parallel
    assert "first match was found at step 7" in parallel
    assert "100% stay exact when computed in float64, 50.0% when" in parallel
    assert "noise of 1.25 times" in parallel
    assert one.startswith("Prefix of 1 vector: no restart says the sentence")
    assert "float64" not in one
    assert three.startswith("Prefix of 3 vectors: 25.0% of the restarts say exactly")
    assert "first match" not in three


def test_the_hardest_tokens_are_named() -> None:
    free, prefix = explain_tokens(TOKENS, READINGS)
    assert "hardest token is “␣am”: it reaches 0.1% of at most 0.4%" in free
    assert "“I” reaches 50.0% of 90.0%" in free
    assert "It does not occur in the training text" in free
    assert "that of “␣was” (cosine 0.90)" in free
    assert "after a prefix of 3 vectors is “␣am”: 0.02%, of the 0.4%" in prefix
    assert "it has 0.01%, rank 4,321" in prefix
    assert len(explain_tokens(TOKENS[:1], READINGS)) == 1, "one token has no prefix to blame"


def test_controls_are_said_where_they_were() -> None:
    book, random = explain_controls(FRONTIER, READINGS)
    assert "these readings: parallel (100% of the restarts) and prefix of 3 vectors (25.0%" in book
    assert random.startswith("The random tokens")
    assert random.endswith("at best 3.000 nats per token, and is said in none.")


def test_words_count_what_is_right() -> None:
    words = pd.DataFrame(
        {"reading": ["parallel"] * 2, "nearest_1": ["I", " was"], "distance": [9.0, 11.0]}
    )
    replies = pd.DataFrame(
        {
            "reading": ["parallel"] * 2,
            "source": ["nearest", "searched"],
            "tokens": ["I was", "<b>"],
            "said": ["x", "I y"],
            "correct": [0, 1],
            "loss": [8.0, 4.0],
        }
    )
    near, fed, searched = explain_words(words, replies, TOKENS, READINGS)
    assert "Of the 2 vectors of the parallel reading 1 have the very token" in near
    assert "10.0 times as far" in near
    assert "“I was”, the model says “x”: 0 of 2 tokens are right" in fed
    assert "greedy coordinate gradient found" in searched
    assert "“I y”: 1 of 2 tokens" in searched
