"""The six answers in short, each made from its numbers, and what the model is worth."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from looking_glass.report.prose import brief
from looking_glass.report.prose.brief import cut, explain_loss, worth_most
from looking_glass.report.results import Choice
from tests.helpers.report import READINGS, choice, worth

EVALUATED = {
    "val_loss": 5.1,
    "val_bits_per_byte": 1.9,
    "train_loss": 4.0,
    "baseline_val_loss": {"unigram": 6.4, "bigram": 5.2, "trigram": 5.0},
}


def test_the_model_beats_only_what_it_beats() -> None:
    said = explain_loss(EVALUATED)
    assert "beats the unigram and bigram and does not beat the trigram" in said


def test_the_data_in_numbers() -> None:
    encoded = {
        "tokens": 36_733,
        "distinct_tokens": 3459,
        "train_tokens": 33_059,
        "val_tokens": 3674,
        "val_unseen_rate": 0.066,
    }
    answer = brief.of_data(encoded)
    assert (answer.part, answer.number, answer.unit) == ("data", "36,733", "tokens")
    assert "learned from 33,059; 3,674 are held out, of which 6.6% never occur" in answer.text


def test_the_loss_stands_beside_counting_and_a_guess() -> None:
    metrics: dict[str, Any] = {
        "encode": {"val_tokens": 25_000_000},
        "evaluate": dict(EVALUATED),
        "logprob": {"even_nats": 10.825},
    }
    answer = brief.of_training(metrics, 400)
    assert answer.number == "5.100"
    assert "After 400 steps a token of the held-out text costs 5.100 nats" in answer.text
    assert "does not beat the trigram: the best of these, the trigram, has 5.000" in answer.text
    assert answer.text.endswith("a guess among all tokens alike costs 10.825.")
    metrics["evaluate"]["val_tokens_read"] = 40_000
    assert "(on 40,000 of its 25,000,000 tokens) costs" in brief.of_training(metrics, 400).text


@pytest.mark.parametrize(
    ("exact", "number", "said"),
    [
        ((16, 0, 3), "16 of 16", "It also writes it by itself after a prefix of 3 vectors."),
        ((0, 0, 0), "0 of 16", "of learned vectors, 2 lengths tried, it never writes it by itself"),
        ((1,), "1 of 16", "random vectors have 9.06."),
    ],
)
def test_the_sentence_is_said_as_often_as_it_was(
    exact: tuple[int, ...], number: str, said: str
) -> None:
    found = {
        "ceiling": {"lowest_possible_loss": 1.0774},
        "readings": {"parallel": {"loss": 1.0834, "drawn_loss": 9.061}},
    }
    rows = [
        {"reading": name, "exact": times, "restarts": 16}
        for name, times in zip(READINGS.names, exact, strict=False)
    ]
    answer = brief.of_inversion(found, rows, READINGS, "I am")
    assert answer.number == number
    assert f"says “I am” in {number} restarts, at 1.083 nats" in answer.text.replace(
        "1.082", "1.083"
    )
    assert "No input can go below 1.077; random vectors have 9.06." in answer.text
    assert said in answer.text


def summed(found: Choice) -> Choice:
    found.rows["attention_sum"], found.rows["query_rows"] = 13.0, 13
    return found


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (2.0, "Removing “f” from that look costs the choice 2 nats; “a” (word 3) is worth most"),
        (-2.0, "from that look makes the choice more probable, by 2 nats;"),
        (0.0, "from that look changes nothing;"),
    ],
)
def test_why_this_word_is_asked_by_taking_words_away(effect: float, said: str) -> None:
    exact = worth(["a", "b", "a"], [0.5, -1.0, 2.25])
    answer = brief.of_last_block(summed(choice({"f": 0.7}, {"f": effect})), exact)
    assert (answer.number, answer.unit) == ("70.0%", "of its attention to “f”")
    assert "Choosing “k” as the 11th word, it looked most at “f”; even attention gives 10.0%" in (
        answer.text
    )
    assert said in answer.text
    assert "+2.25 nats, exactly, over all 8 sets of words replaced (all together +1.75)" in (
        answer.text
    )
    assert answer.text.endswith("sums to 13, 1 for each of 13 tokens.")


def test_the_blocks_are_compared_beside_chance() -> None:
    def agreed(found: float, chance: float) -> pd.DataFrame:
        rows = [("attention", found), ("shuffled", chance)]
        return pd.DataFrame(
            [
                {"measure": "knock_out_every_row", "kind": "size", "pattern": p, "correlation": c}
                for p, c in rows
            ]
        )

    first, last = choice({"f": 0.7}, {"b": 2.0}), choice({"g": 0.6}, {})
    both = {"first": agreed(0.47, -0.012), "last": agreed(0.38, 0.5)}
    answer = brief.of_first_block(first, last, both, 200)
    assert "it looked most at “f” (even: 10.0%), 4.0 tokens back on average" in answer.text
    assert "costs at most 2 nats here, nothing in the last" in answer.text
    assert "Over 200 contexts" in answer.text
    assert answer.text.endswith("is 0.47 here, 0.38 in the last; by chance -0.01.")


def test_a_sampled_sentence_stands_among_others_and_beside_a_guess() -> None:
    found = {
        "tokens": 22,
        "nats": -78.649,
        "nats_per_token": -3.575,
        "perplexity": 35.694,
        "even_nats": 10.8,
        "samples": {"sentences": 1000, "share_less_probable": 0.409},
    }
    answer = brief.of_sentence(found, "\n'I am' ")
    assert (answer.number, answer.unit) == ("-78.649", "nats, 22 tokens")
    assert answer.text.startswith("Sampled: “'I am'”. It has -3.575 nats per token")
    assert "Tokens drawn from all alike would have -237.6 in all." in answer.text
    assert answer.text.endswith("40.9% are less probable, where one expects 50%.")
    assert brief.of_sentence(found, " \n").text.startswith("Sampled: white space alone. It has")


def test_a_word_that_nothing_can_stand_in_for_is_not_worth_most() -> None:
    gone = float("nan")
    assert worth_most(worth(["a", "b"], [gone, -0.5])).startswith("“b” is worth most to it: -0.50")
    none = worth_most(worth(["a", "b"], [gone, gone]))
    assert none == "nothing can stand in for any of its words, so none has an exact worth"


def test_a_long_text_is_cut_between_words() -> None:
    assert cut("a b") == "a b"
    assert cut("word " * 12) == "word " * 12
    assert cut("word " * 20) == "word " * 11 + "word …"
    assert cut("字" * 100) == "字" * 60 + " …"
