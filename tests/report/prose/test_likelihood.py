"""What is said of log-probabilities follows from their numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from looking_glass.report.prose import likelihood as prose

RANKED = pd.DataFrame(
    {
        "sentence": ["held_out", "sampled", "shuffled", "yours 1"],
        "text": ["b c", "a b", "b a", "d"],
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
    assert ": more than chance explains in nineteen" in prose.explain_entropy({"samples": found})
    found["difference"] = -0.5
    text = prose.explain_entropy({"samples": found})
    assert text.endswith("0.30: no more than chance explains.")
    assert "is what was scored" not in text, "which no test can show"


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


def test_a_distribution_is_called_sharpened_flattened_or_cut_as_it_was() -> None:
    def told(temperature: float, top_k: int | None, top_p: float | None) -> str:
        params = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return str(prose.explain_drawing({"sampling_nats": -3.0}, params))

    assert "distribution flattened, under" in told(2.0, None, None)
    assert "sharpened" not in told(2.0, None, None)
    assert "distribution sharpened, under" in told(0.5, None, 1.0)
    assert "distribution limited to its most probable tokens, under" in told(1.0, 40, None)
    assert "distribution flattened and limited to its most" in told(2.0, None, 0.9)
    assert "every other number" not in told(2.0, None, None), "the check's are of what was drawn"


def test_sentences_are_ranked_in_words() -> None:
    first, order = prose.explain_ranking(RANKED)
    assert (
        "the most probable is one of the held-out text (-10.0 nats) and the least yours 1" in first
    )
    assert "per token the most probable is the sampled one." in first
    assert order.endswith("the sampled sentence's words are less probable by 12.5 nats.")
    assert "knows" not in order, "one order says nothing of all"
    swapped = RANKED.assign(sentence=["held_out", "shuffled", "sampled", "yours 1"])
    assert "are more probable by 12.5 nats" in prose.explain_ranking(swapped)[1]
    same = RANKED.assign(nats=-10.0)
    assert prose.explain_ranking(same)[1].endswith("words are as probable.")
    assert len(prose.explain_ranking(RANKED[:2])) == 1, "nothing was shuffled"
    assert prose.explain_ranking(RANKED[:1]) == []
    blank = RANKED.assign(text=["b", "", "d", "e"]).drop(2)
    assert prose.explain_ranking(blank)[1].startswith("The sampled one is white space alone")


CALIBRATION: dict[str, Any] = {
    "tokens": 3673,
    "accuracy": 0.24,
    "confidence": 0.28,
    "gap_error": 0.01,
    "expected_calibration_error": 0.05,
    "calibration_error_by_chance": 0.012,
    "calibration_error_by_chance_95": 0.018,
}


def test_a_model_is_too_sure_only_beyond_chance() -> None:
    def told(**changes: float | None) -> str:
        return prose.explain_calibration({"calibration": CALIBRATION | changes})

    assert "it is too sure of itself, by 4 points with a standard error of 1" in told()
    assert "not sure enough of itself, by 4 points" in told(confidence=0.2)
    for confidence in (0.24 + 1e-9, 0.24 - 1e-9, 0.25, 0.24):
        text = told(confidence=confidence)
        assert "is no more than chance explains" in text
        assert "sure" not in text
    assert "too short for a standard error" in told(gap_error=None)


def test_a_calibration_error_stands_beside_that_of_a_perfect_model() -> None:
    text = prose.explain_calibration({"calibration": CALIBRATION})
    assert "is 0.050. A model that is right exactly as often as it says would have 0.012" in text
    assert text.endswith("at most 0.018 in nineteen cases of twenty: this one's is more than that.")
    fine = CALIBRATION | {"expected_calibration_error": 0.015}
    assert prose.explain_calibration({"calibration": fine}).endswith("is no more than that.")


def test_a_calibration_says_on_how_much_of_a_long_text_it_is() -> None:
    whole, part = (
        prose.explain_calibration({"calibration": {**CALIBRATION, "tokens": 39_990, **more}})
        for more in ({}, {"of_tokens": 25_000_000})
    )
    assert whole.startswith("Over the 39,990 tokens of the held-out text its first")
    assert part.startswith("Over 39,990 of the 25,000,000 tokens of the held-out text its first")


def test_a_place_among_others_is_told_with_what_is_expected() -> None:
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
    assert "one expects 50%" in text


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
    assert prose.explain_underflow(table[:2]).endswith("of 2 tokens is still 8.19e-40 in float32.")


def test_a_words_correction_is_named() -> None:
    words = pd.DataFrame(
        {
            "text": ["one", "two", "three"],
            "surprisal": [1.0, 4.0, 2.0],
            "corrected": [1.5, 2.5, 2.75],
            "difference": [0.5, -1.5, 0.75],
        }
    )
    text = prose.explain_words(words, corrected=True)
    assert "cost 6.750 nats in all, where their tokens cost 7.000" in text
    assert "the largest change is that of “two”, from 4.000 to 2.500." in text
    unchanged = words.assign(corrected=words["surprisal"], difference=0.0)
    assert "is not defined" in prose.explain_words(words, corrected=False)
    assert prose.explain_words(unchanged, corrected=True).endswith("; no word's changes.")
