"""What is said of a choice follows from its numbers, and goes no further."""

from __future__ import annotations

import pandas as pd
import pytest

from looking_glass.report.measures import BY_KEY
from looking_glass.report.prose.choice import (
    agreement,
    also_attended,
    compare_blocks,
    explain_choice,
    explain_effect,
    explain_measures,
    explain_parts,
    explain_provenance,
    explain_worth,
    most_attended,
    placed,
)
from looking_glass.report.results import Choice
from tests.helpers.report import choice, worth

THE = ["the", "cat", "the", "dog"]  # a word that a sentence has twice


def row(word: int, knock_out: float, attention: float = 0.1) -> pd.Series:
    return pd.Series({"word": word, "knock_out": knock_out, "predicting_row": attention})


def test_a_choice_is_told_with_its_probability_and_even_attention() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7, "c": 0.2, "b": 0.1}, {"f": 1.25})))
    assert "“␣eleven”, a probability of 40.0%" in text
    assert "next best was “␣other” with 20.0%" in text
    assert "attended most to “f” (70.0% of the row, mean over heads), then to “c” (20.0%)" in text
    assert "even attention to all tokens would give each 10.0%" in text  # e^-2.3


def test_the_most_attended_word_that_costs_most_is_said_to() -> None:
    said = explain_effect(row(1, 1.25), row(1, 1.25), THE)
    assert said == (
        "Of all words, removing “cat” from this block's choosing row costs the choice most, "
        "1.25 nats: the one that it attended to most."
    )


def test_a_most_attended_word_that_costs_little_is_told_beside_the_one_that_costs_most() -> None:
    said = explain_effect(row(1, 0.01), row(3, 2.0, 0.01), THE)
    assert said.startswith("Removing that word from the row costs the choice 0.01 nats.")
    assert "What costs most to remove is “dog”: 2 nats; it had 1.0% of the row." in said
    assert "more probable" not in said


def test_a_most_attended_word_that_is_against_the_choice_is_said_to_be() -> None:
    said = explain_effect(row(1, -0.3), row(3, 2.0), THE)
    assert "from the row makes the choice more probable, by 0.3 nats." in said
    assert "What costs most to remove is “dog”" in said


@pytest.mark.parametrize("most", [0.0, -0.5])
def test_where_no_removal_costs_anything_no_word_is_named(most: float) -> None:
    said = explain_effect(row(0, -1.0), row(1, most), THE)
    assert "made the choice no less probable" in said
    assert "one at a time" in said
    assert "“" not in said


def test_the_same_word_at_another_place_is_not_the_one_attended_to_most() -> None:
    said = explain_effect(row(0, 0.5), row(2, 2.0), THE)
    assert "the one that it attended to most" not in said
    assert "What costs most to remove is “the” (word 3): 2 nats" in said


def test_words_are_told_apart_by_place_only_where_they_are_the_same() -> None:
    assert [placed(THE, place) for place in range(4)] == [
        "“the” (word 1)",
        "“cat”",
        "“the” (word 3)",
        "“dog”",
    ]
    one = choice({"f": 0.7}, {})
    one.words["text"] = ["f"] * 12
    assert most_attended(one) == "“f” (word 6)"
    ranked = pd.DataFrame([row(1, 0, 0.5), row(2, 0, 0.3), row(0, 0, 0.2), row(3, 0, 0.1)])
    assert also_attended(ranked, THE) == "“the” (word 3) (30.0%) and “the” (word 1) (20.0%)"


@pytest.mark.parametrize(
    ("size", "side"),
    [(0.65, "beyond"), (0.64, "within"), (-0.64, "within"), (-0.9, "beyond")],
)
def test_one_context_is_held_against_unrelated_rankings(size: float, side: str) -> None:
    said = agreement((size, -0.2), 10)
    assert f"is {size:.2f}, {side} the ±0.65 that 19 of 20 pairs of unrelated rankings" in said
    assert said.endswith("with the effect as it is, for or against the choice, -0.20.")


def test_chance_is_told_for_ten_words_alone() -> None:
    said = agreement((0.9, 0.9), 4)
    assert "0.65" not in said
    assert "one context alone cannot tell from chance" in said


@pytest.mark.parametrize("pair", [(None, 0.5), (0.5, None), (None, None)])
def test_what_does_not_vary_is_not_compared(pair: tuple[float | None, float | None]) -> None:
    assert "cannot be compared" in agreement(pair, 10)


def measures(tops: list[int], effects: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"measure": list(BY_KEY), "top": tops, "top_effect": effects})


def test_each_measure_names_its_word_with_its_number_and_unit() -> None:
    said = explain_measures(measures([1, 1, 1, 3, 1, 1], [3.0, 2, 1, 0.5, 4, 0.25]), THE)
    assert said.startswith("The word with the largest number is, by each measure: “cat” by ")
    assert "“dog” by replacing it by a matched one (0.5 logits)" in said
    assert "removing it from the choosing row of this block (3 nats)" in said
    assert "what the block's heads carry from it (4) and" in said  # a length has no unit
    assert said.endswith("A length tells how much was carried, not for which side.")


def test_a_repeated_word_is_not_one_that_all_measures_agree_on() -> None:
    said = explain_measures(measures([0, 0, 0, 2, 0, 0], [1.0] * 6), THE)
    assert "“the” (word 1) by " in said
    assert "“the” (word 3) by replacing it by a matched one (1 logits)" in said
    assert said.count(" by removing it from the choosing row of this block") == 1


def test_a_measure_that_has_no_number_names_no_word() -> None:
    said = explain_measures(measures([1, 1, 1, 0, 1, 1], [1.0, 1, 1, float("nan"), 1, 1]), THE)
    assert "nan" not in said
    assert "replacing" not in said
    assert "“the”" not in said


def test_blocks_are_compared_by_their_own_numbers() -> None:
    first, last = choice({"f": 0.7}, {"f": 3.0}), choice({"b": 0.7}, {"b": 1.0})
    first = Choice(**{**vars(first), "block": "first"})
    last.rows["entropy"] = 0.4
    text = " ".join(compare_blocks(first, last))
    assert "The first block spreads its attention wider: " in text
    assert "1.50 nats in the first block and 0.40 in the last, where even attention" in text
    assert "all positions would have 2.30" in text
    assert "the first block looks 4.0 tokens back, the last 4.0." in text
    assert "The first attends most to “f”, the last to “b”" in text
    assert text.endswith("at most 3 nats in the first block and 1 nats in the last.")


def test_blocks_that_do_not_differ_are_not_said_to() -> None:
    last = choice({"f": 0.7}, {})
    first = Choice(**{**vars(choice({"f": 0.7}, {"f": 1.0})), "block": "first"})
    first.rows["entropy"] = 1.5 + 1e-9
    text = " ".join(compare_blocks(first, last))
    assert "wider" not in text
    assert "Both blocks spread their attention equally wide" in text
    assert "Both attend most to “f”." in text
    assert "at most 1 nats in the first block and nothing in the last" in text


def followers(*counts: int, choice_at: int | None, listed: int | None = None) -> pd.DataFrame:
    """What follows “sat on”, the most frequent first, as the stage writes it."""
    keep = [n for n in range(len(counts)) if listed is None or n < listed or n == choice_at]
    return pd.DataFrame(
        {
            "context": " sat on",
            "context_tokens": 2,
            "times": sum(counts),
            "followers": len(counts),
            "rank": [n + 1 for n in keep],
            "next": [f" w{n + 1}" for n in keep],
            "count": [counts[n] for n in keep],
            "is_the_choice": [int(n == choice_at) for n in keep],
        }
    )


def test_a_choice_among_the_most_frequent_followers_is_counted() -> None:
    said = explain_provenance(followers(3, 1, choice_at=0), " w1")
    assert "is “sat on” (2 tokens): there it is followed by “␣w1” (3 times) and “␣w2” (1" in said
    assert said.endswith("the model's “␣w1” is number 1 of them (3 of 4 times).")
    assert "most frequent" not in said


def test_a_choice_beyond_the_listed_followers_is_still_one_of_them() -> None:
    said = explain_provenance(followers(*[20] * 12, 1, choice_at=12, listed=10), " w13")
    assert "“␣w5” (20 times), the 5 most frequent of 13; " in said
    assert "“␣w6”" not in said
    assert said.endswith("the model's “␣w13” is number 13 of them (1 of 241 times).")
    few = explain_provenance(followers(*[20] * 7, choice_at=6), " w7")
    assert "the 5 most frequent of 7; the model's “␣w7” is number 7 of them" in few


def test_a_choice_that_never_follows_is_said_never_to() -> None:
    said = explain_provenance(followers(3, 1, choice_at=None), " her")
    assert said.endswith("the model's “␣her” never follows it there.")
    assert "No end of this context" in explain_provenance(followers(choice_at=None), " the")


def test_the_largest_and_the_smallest_part_of_the_lead_are_named() -> None:
    parts = pd.DataFrame(
        {
            "part": ["token embedding", "block 1, head 1", "block 1, MLP", "remainder"],
            "margin": [0.5, -0.25, 0.75, 1e-7],
        }
    )
    text = explain_parts(parts)
    assert "leads the next best token by 1.00 in logits" in text
    assert "each of 3 heads, MLPs" in text
    assert "largest parts are block 1, MLP (+0.75), token embedding (+0.50) and block 1" in text
    assert "the smallest is block 1, head 1 (-0.25)" in text
    assert text.endswith("they add up to it within 1e-07.")


def test_exact_worth_is_told_by_either_way_with_its_total() -> None:
    replaced, removed = explain_worth(
        worth(THE, [0.5, -0.25, 2.0, 1.0], [0.1, 0.2, 0.3, 0.4]), " sat"
    )
    assert "of these 4 words there are 16 sets" in replaced
    assert "how probable “␣sat” is" in replaced
    assert replaced.endswith(
        "all words together are worth +3.25 nats to it, and worth most is “the” (word 3) (+2.00), "
        "then “dog” (+1.00); worth least is “cat” (-0.25), which makes it less probable."
    )
    assert "are worth +1.00 nats to it, and worth most is “dog” (+0.40)" in removed
    assert "none makes it less probable by more than 0.005 nats; worth least is “the” (w" in removed
    assert "the embedding of the last word, “dog”, in the place" in removed


@pytest.mark.parametrize(("least", "against"), [(-1e-9, False), (-0.004, False), (-0.01, True)])
def test_a_worth_that_shows_as_nothing_makes_nothing_less_probable(
    least: float, against: bool
) -> None:
    said, _ = explain_worth(worth(["a", "b"], [1.0, least]), "c")
    assert ("which makes it less probable" in said) is against
    assert ("none makes it less probable" in said) is not against


def test_words_that_nothing_can_stand_in_for_have_no_worth() -> None:
    gone = float("nan")
    replaced, removed = explain_worth(worth(["a", "b", "c"], [gone, 0.5, gone], [1, 2, 3]), "d")
    assert "+0.50 nats to it (2 words that nothing can stand in for left out)" in replaced
    assert "worth most is “b” (+0.50); none makes" in replaced
    assert "stand in" not in removed
    nothing, _ = explain_worth(worth(["a", "b"], [gone, gone], [1, 2]), "d")
    assert "none of the words has a worth: nothing can stand in for them." in nothing
    assert "nan" not in replaced + nothing
