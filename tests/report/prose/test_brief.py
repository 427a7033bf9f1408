"""The answers in a line each, and what the model is worth."""

from __future__ import annotations

from typing import Any

from looking_glass.report.prose.brief import explain_loss, in_brief, worth_most
from tests.helpers.report import READINGS, choice, worth


def test_the_model_beats_only_what_it_beats() -> None:
    metrics = {
        "val_loss": 5.1,
        "val_bits_per_byte": 1.9,
        "train_loss": 4.0,
        "baseline_val_loss": {"unigram": 6.4, "bigram": 5.2, "trigram": 5.0},
    }
    assert "beats the unigram and bigram and does not beat the trigram" in explain_loss(metrics)


def test_the_page_is_told_in_four_lines() -> None:
    metrics: dict[str, Any] = {
        "encode": {"val_tokens": 25_000_000},
        "evaluate": {"val_loss": 5.1234, "val_bits_per_byte": 1.9},
        "invert": {
            "readings": {
                "parallel": {"exact_rate": 0.0},
                "prefix_1": {"exact_rate": 0.5},
                "prefix_3": {"exact_rate": 1.0},
            }
        },
        "logprob": {"tokens": 1, "nats": -3.25},
    }
    exact = worth(["a", "b", "a"], [0.5, -1.0, 2.25])
    told = choice({"f": 0.7}, {"b": 2.0})
    loss, said, chosen, sampled = in_brief(metrics, READINGS, told, exact)
    assert loss == "Loss on held-out text: 5.123 nats per token, 1.900 bits per byte."
    assert said.endswith("were found: prefix of 1 vector and prefix of 3 vectors.")
    assert "it chose is “k”. The last block attended most to “f”" in chosen
    assert "of all words “a” (word 3) was worth most to the choice, exactly, over all s" in chosen
    assert chosen.endswith("replaced (+2.25 nats, where all together are worth +1.75).")
    assert sampled.endswith("sentence of 1 token: -3.250 nats.")
    metrics["evaluate"]["val_tokens_read"] = 40_000
    loss = in_brief(metrics, READINGS, told, exact)[0]
    assert loss.endswith("1.900 bits per byte (on 40,000 of its 25,000,000 tokens).")
    for found in metrics["invert"]["readings"].values():
        found["exact_rate"] = 0.0
    assert in_brief(metrics, READINGS, choice({}, {}), exact)[1].startswith("No input was found")


def test_a_word_that_nothing_can_stand_in_for_is_not_worth_most() -> None:
    gone = float("nan")
    assert "words “b” was worth most" in worth_most(worth(["a", "b"], [gone, -0.5]))
    none = worth_most(worth(["a", "b"], [gone, gone]))
    assert none == "nothing can stand in for any of its words, so none has an exact worth"
