"""What is said of log-probabilities follows from their numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose import likelihood as prose

RANKED = pd.DataFrame(
    {
        "sentence": ["held_out", "sampled", "shuffled", "yours 1"],
        "nats": [-10.0, -20.5, -33.0, -40.0],
        "nats_per_token": [-5.0, -2.0, -3.5, -8.0],
    }
)


def test_the_check_fails_where_sampling_and_scoring_differ() -> None:
    found = {
        "nats_per_token": 4.0,
        "entropy_per_token": 4.1,
        "difference": -0.9,
        "standard_error": 0.3,
        "z": -3.0,
    }
    assert "more than chance explains in nineteen" in prose.explain_entropy({"samples": found})
    found["z"] = 1.2
    assert "what was sampled is what was scored" in prose.explain_entropy({"samples": found})


def test_what_was_drawn_from_is_named() -> None:
    plain: dict[str, Any] = {"temperature": 1.0, "top_k": None, "top_p": None}
    assert prose.explain_sampling(plain) == "at temperature 1, from all tokens"
    assert prose.explain_drawing({"sampling_nats": -3.0}, plain) is None
    sharp = {"temperature": 0.7, "top_k": 40, "top_p": 0.9}
    text = prose.explain_sampling(sharp)
    assert text == (
        "at temperature 0.7, from the 40 most probable tokens and from the fewest tokens that "
        "hold 90.0% of it"
    )
    assert "-3.000 nats" in str(prose.explain_drawing({"sampling_nats": -3.0}, sharp))


def test_sentences_are_ranked_in_words() -> None:
    first, order = prose.explain_ranking(RANKED)
    assert (
        "the most probable is one of the held-out text (-10.0 nats) and the least yours 1" in first
    )
    assert "per token the most probable is the sampled one." in first
    assert "are less probable by 12.5 nats" in order
    swapped = RANKED.assign(sentence=["held_out", "shuffled", "sampled", "yours 1"])
    assert "are more probable by 12.5 nats" in prose.explain_ranking(swapped)[1]
    assert len(prose.explain_ranking(RANKED[:2])) == 1, "nothing was shuffled"
    assert prose.explain_ranking(RANKED[:1]) == []


def test_calibration_and_place_are_told() -> None:
    found = {
        "tokens": 3673,
        "accuracy": 0.24,
        "confidence": 0.28,
        "expected_calibration_error": 0.05,
    }
    assert "it is too sure of itself" in prose.explain_calibration({"calibration": found})
    found["confidence"] = 0.2
    assert "not sure enough of itself" in prose.explain_calibration({"calibration": found})
    samples = {
        "sentences": 1000,
        "mean_tokens": 18.2,
        "mean_nats": -76.3,
        "share_less_probable": 0.376,
        "share_less_probable_per_token": 0.711,
    }
    text = prose.explain_place({"samples": samples})
    assert "Of 1,000 sentences" in text
    assert "37.6% are less probable than this one; counted per token, 71.1% are." in text


def test_underflow_is_reported_only_where_it_happened() -> None:
    table = pd.DataFrame(
        {
            "tokens": [1, 2, 3, 4],
            "cumulative": [-60.0, -90.0, -120.0, -150.0],
            "float32_product": [8.76e-27, 8.19e-40, 0.0, 0.0],
        }
    )
    text = prose.explain_underflow(table)
    assert "Drawn on for 4 tokens in all" in text
    assert "come to exactly 0 from token 3 on" in text
    assert "sum of their logarithms is -150.00 nats" in text
    assert "of 2 tokens is still 8.19e-40" in prose.explain_underflow(table[:2])


def test_a_words_correction_is_named() -> None:
    words = pd.DataFrame(
        {
            "text": ["one", "two", "three"],
            "surprisal": [1.0, 4.0, 2.0],
            "corrected": [1.5, 2.5, 2.75],
            "difference": [0.5, -1.5, 0.75],
        }
    )
    text = prose.explain_words(words)
    assert "cost 6.750 nats in all instead of 7.000" in text
    assert "the largest change is that of “two”, from 4.000 to 2.500." in text
