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
    "best_states_loss": 0.5008,
    "best_states_inside": 0,
    "inside_solved": 0,
    "aimed_loss": 0.501,
    "aimed_right": 2,
    "tokens_that_can_be_argmax": 2,
    "tokens_that_cannot_be_argmax": 0,
}
READING: dict[str, Any] = {
    "token_accuracy": 0.5,
    "loss": 2.0,
    "drawn_loss": 9.5,
    "smallest_gap": 0.1,
    "first_exact_step": 7,
}
ROBUST = {"exact_in_float64": 1.0, "exact_in_bfloat16": 0.5, "noise_radius": 1.25}


def test_the_ceiling_is_told_with_its_proof() -> None:
    text = " ".join(explain_ceiling(CEILING, 2))
    assert "below 0.500 nats per token" in text
    assert "is at most 0.001 nats from it. 2 of its 2 tokens have a state in the ball" in text
    assert "all lie at the ball's edge" in text
    assert "have 0.501 nats per token in the parallel reading, as the states themselves" in text
    assert text.endswith("within 0.001 nats of the bound. They say the sentence exactly.")


def test_the_bound_is_said_to_be_reached_only_where_it_was() -> None:
    # An optimum inside the ball, of which the direction alone was met.
    missed = CEILING | {
        "lowest_possible_loss": 1.458,
        "best_states_loss": 1.4585,
        "best_states_inside": 2,
        "inside_solved": 1,
        "aimed_loss": 4.019,
        "aimed_right": 1,
    }
    text = " ".join(explain_ceiling(missed, 2))
    assert "2 lie inside the ball" in text
    assert "a vector was found for 1 of them" in text
    assert "do not reach the bound, and are 2.56 nats above it" in text
    assert "They get 1 of 2 tokens right." in text
    assert "can be reached" not in text
    assert "exactly" not in text


def test_a_first_choice_is_claimed_denied_or_left_open_as_it_was_shown() -> None:
    text = explain_ceiling(CEILING | {"tokens_that_can_be_argmax": 1}, 3)[0]
    assert "1 of its 3 tokens have a state" in text
    assert text.endswith("and of 2 neither was shown.")
    none = {"tokens_that_can_be_argmax": 1, "tokens_that_cannot_be_argmax": 2}
    text = explain_ceiling(CEILING | none, 3)[0]
    assert text.endswith("and 2 are proved to have none.")
    assert "some input" not in text


def test_a_reading_is_called_exact_only_where_it_was() -> None:
    parallel, one, three = explain_readings(
        {
            "parallel": {**READING, **ROBUST, "exact_rate": 1.0},
            "prefix_1": {**READING, "exact_rate": 0.0},
            "prefix_3": {**READING, **ROBUST, "exact_rate": 0.25},
        },
        READINGS,
        0.5,
    )
    assert "Parallel: every restart says exactly the sentence" in parallel
    assert "1.5 nats above the proved bound. The vectors drawn to start from had 9.50." in parallel
    assert "earliest match was seen at step 7" in parallel
    assert "100% stay exact when computed in float64, 50.0% when" in parallel
    assert "noise of 1.2 times" in parallel
    assert one.startswith("Prefix of 1 vector: no restart says the sentence")
    assert "float64" not in one
    assert three.startswith("Prefix of 3 vectors: 25.0% of the restarts say exactly")
    assert "earliest match" not in three
    assert not any("possible" in text for text in (parallel, one, three))


def test_noise_outside_the_range_that_was_tried_is_told_as_such() -> None:
    def told(radius: float) -> str:
        found = {**READING, **ROBUST, "exact_rate": 0.5, "noise_radius": radius}
        return explain_readings({"parallel": found}, READINGS, 0.5)[0]

    assert "0.0001 times its own root mean square the best one says the sentence in fewer" in told(
        1.0001e-4
    )
    assert "10,000 times its own root mean square, the most that was tried" in told(0.9999e4)


def test_the_tokens_reached_least_are_named() -> None:
    free, prefix = explain_tokens(TOKENS, READINGS)
    assert "least probable token is “␣am”: it has 0.1% of at most 0.4%" in free
    assert "“I” has 50.0% of 90.0%" in free
    assert "It does not occur in the training text" in free
    assert "that of “␣was”, with a cosine of 0.90." in free
    assert "the median of that cosine is 0.60; this one's is above it." in free
    assert "after a prefix of 3 vectors is “␣am”: 0.02%; no input can give it more than 0.4%" in (
        prefix
    )
    assert "it has 0.01%, rank 4,321" in prefix
    (alone,) = explain_tokens(TOKENS[:1], READINGS)
    assert "where" not in alone, "one token has no other beside it, and no prefix to blame"


def test_a_cosine_is_set_beside_what_is_usual_and_explains_nothing() -> None:
    for cosine, place in ((0.1, "below it"), (0.6, "equal to it")):
        text = explain_tokens(TOKENS.assign(nearest_row_cosine=cosine), READINGS)[0]
        assert text.endswith(f"this one's is {place}.")
        assert "raises" not in text


def test_controls_are_said_where_they_were() -> None:
    book, random = explain_controls(FRONTIER, READINGS)
    assert "these readings: parallel (100% of the restarts) and prefix of 3 vectors (25.0%" in book
    assert random.startswith("The random tokens")
    assert random.endswith("cannot have fewer than 3.000 nats per token, and is said in none.")


def test_words_count_what_is_right() -> None:
    words = pd.DataFrame(
        {
            "reading": ["parallel"] * 2,
            "nearest_1": ["I", " was"],
            "distance": [0.9, 1.1],
            "drawn_nearest": ["x", "y"],
            "drawn_distance": [7.0, 9.0],
        }
    )
    replies = pd.DataFrame(
        {
            "reading": ["parallel"] * 3,
            "source": ["nearest", "searched", "drawn"],
            "fed": ["I was", "<b>", "q r"],
            "ids": ["40 373", "27 65 29", "80 374"],
            "read_as_such": [1, 0, 1],
            "said": ["x", "I y", "z"],
            "correct": [0, 1, 0],
            "loss": [8.0, 4.0, 12.0],
        }
    )
    near, fed, searched, drawn = explain_words(words, replies, TOKENS, READINGS)
    assert "Of the 2 vectors of the parallel reading 1 have as their nearest" in near
    assert "of those drawn to start from, 0." in near
    assert "is 1.0 times that" in near
    assert near.endswith("at the start it was 8.0.")
    assert " far" not in near, "whatever the distance"
    assert "“I was”, the model says “x”: 0 of 2 tokens are right" in fed
    assert "greedy coordinate gradient found" in searched
    assert "“I y”: 1 of 2 tokens" in searched
    told = "“<b>” (the tokens 27 65 29; the encoder reads their text as others), the model says"
    assert told in searched
    assert "(the tokens" not in fed + drawn
    assert drawn.startswith("Fed tokens drawn at random in place")
    assert "0 of 2 tokens are right, at 12.00 nats each" in drawn
