"""The report's sentences say what the numbers say, and its page shows any text as text."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from looking_glass.report.figures import attention as attention_figures
from looking_glass.report.figures import style as figures
from looking_glass.report.prose.attention import side_by_side_rows
from looking_glass.report.prose.choice import (
    Choice,
    agreement,
    compare_blocks,
    explain_choice,
    explain_measures,
)
from looking_glass.report.prose.phrases import count, joined, percent
from looking_glass.report.page import explain_loss

COLORS = figures.Colors(primary="#2f5d8a", secondary="#c8612e", muted="#8a8a8a")
WORDS = [*"abcdefghijkl"]
MEASURES = ["knock_out", "knock_out_all_blocks", "replacement", "weighted_norm", "direct"]


def choice(
    attention: dict[str, float], effect: dict[str, float], correlation: float | None = 0.1
) -> Choice:
    """A choice in which the named words have these numbers, and all others have little."""
    caused = [effect.get(word, -0.5) for word in WORDS[:10]] + [np.nan] * 2
    words = pd.DataFrame(
        {
            "text": WORDS,
            "predicting_row": [attention.get(word, 0.01) for word in WORDS],
            "own_row": [1 / 12] * 12,
            **dict.fromkeys(MEASURES, caused),
        }
    )
    rows = {"entropy": 1.5, "largest_entropy": 2.3, "mean_distance": 4.0}
    shares = {"on_itself": 0.1, "on_previous": 0.2, "on_first": 0.3}
    return Choice(
        block="last",
        rows=pd.DataFrame([{"row": "predicting", "head": "mean", **rows, **shares}]),
        words=words,
        measures=pd.DataFrame(
            {
                "measure": MEASURES,
                "words_correlation": np.nan if correlation is None else correlation,
                "top_word": max(effect, key=effect.__getitem__, default="a"),
                "top_effect": max(effect.values(), default=-0.5),
            }
        ),
        alternatives=pd.DataFrame({"text": [" eleven", " other"], "probability": [0.4, 0.2]}),
    )


def test_the_most_attended_word_that_matters_most_is_said_to() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {"f": 1.25})))
    assert "attended most to “f” (70.0%" in text
    assert "Removing this block's attention to “f” (1.25 nats) cost the choice more" in text
    assert "“␣eleven”, a probability of 40.0%" in text
    assert "next best was “␣other” with 20.0%" in text


def test_attention_that_did_not_matter_is_not_called_the_reason() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {"f": 0.01, "b": 2.0})))
    assert "removing that costs the choice only 0.01 nats" in text
    assert "to lose “b” (2 nats), which had 1.0% of the attention" in text


def test_a_word_that_spoke_against_the_choice_is_said_to() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {"f": -0.3, "b": 2.0})))
    assert "without its attention to “f” the choice becomes more probable, by 0.3 nats" in text
    assert "What spoke for it most, by what its removal costs, is “b” (2 nats)" in text


def test_where_nothing_mattered_no_reason_is_given() -> None:
    text = " ".join(explain_choice(choice({"f": 0.7}, {})))
    assert "none of these words is why the model chose it" in text


@pytest.mark.parametrize(
    ("correlation", "verdict"),
    [
        (0.9, "the two agree"),
        (0.3, "says little"),
        (-0.9, "the two disagree"),
        (None, "cannot be compared"),
    ],
)
def test_agreement_follows_the_correlation(correlation: float | None, verdict: str) -> None:
    assert verdict in agreement(correlation, 10)


def test_blocks_are_compared_by_their_own_numbers() -> None:
    first, last = choice({"f": 0.7}, {"f": 3.0}), choice({"b": 0.7}, {"b": 1.0})
    last.rows["entropy"] = 0.4
    text = " ".join(compare_blocks(Choice(**{**vars(first), "block": "first"}), last))
    assert "The first block spreads its attention wider" in text
    assert "the first block looks 4.0 tokens back, the last 4.0." in text
    assert "The first attends most to “f”, the last to “b”" in text
    assert "3 nats in the first block and 1 nats in the last: the first block's" in text


def test_the_blocks_stand_side_by_side() -> None:
    first, last = choice({"f": 0.7}, {"f": 3.0}, 0.25), choice({"b": 0.7}, {"b": 1.0}, None)
    rows = {label: (a, b) for label, a, b in side_by_side_rows(first, last)}
    assert rows["entropy of the row (nats)"] == ("1.500", "1.500")
    assert rows["attended to most"] == ("“f”", "“b”")
    assert rows["mattered most by replacement (logits)"] == ("“f” (+3.000)", "“b” (+1.000)")
    assert rows["rank correlation of attention with length carried"] == ("+0.25", "–")


def test_measures_that_name_one_word_are_said_to() -> None:
    measures = choice({}, {"f": 3.0}).measures
    assert explain_measures(measures).startswith("Every measure names “f”")
    measures.loc[2, "top_word"] = "b"
    measures.loc[2, "top_effect"] = 0.5
    text = explain_measures(measures)
    assert "“b” by replacing it by a matched one (0.5 logits)" in text
    assert "“f” by removing it from this block's attention (3 nats), " in text


def test_the_model_beats_only_what_it_beats() -> None:
    metrics = {
        "val_loss": 5.1,
        "val_bits_per_byte": 1.9,
        "train_loss": 4.0,
        "baseline_val_loss": {"unigram": 6.4, "bigram": 5.2, "trigram": 5.0},
    }
    assert "beats the unigram and bigram and does not beat the trigram" in explain_loss(metrics)


def test_shares_and_lists_read_well() -> None:
    assert [percent(x) for x in (1.0, 0.4567, 0.00123, 0.0)] == ["100%", "45.7%", "0.12%", "0%"]
    assert [joined(list(x)) for x in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [count(n, "time") for n in (0, 1, 2000)] == ["0 times", "1 time", "2,000 times"]


def test_labels_show_white_space_and_no_formula() -> None:
    assert figures.visible(" a\n") == "␣a↵"
    assert figures.printable("$x$") == r"\$x\$"
    assert figures.printable(" 🐿é") == "␣□é", "no warning of a missing glyph"


def test_figures_draw_awkward_words() -> None:
    words = ["$5", "a_b^c", "", "%", "\n", "\\frac", "'", "–", "<b>", "é", "ten", "e"]
    table = choice({"f": 0.7}, {"f": 1.0}).words.assign(text=words)
    eye = np.eye(12, dtype=np.float32)
    blocks = [table.iloc[:10].assign(block=block) for block in (1, 2)]
    drawn = [
        attention_figures.attention_heat_map(eye, words, "last", COLORS),
        attention_figures.attention_causes(table, "$5", "last", COLORS),
        attention_figures.first_against_last(table, table, "$5", COLORS),
        attention_figures.block_strip(pd.concat(blocks), "$5", COLORS),
        # One head, and more than fill their rows.
        attention_figures.head_maps(eye[None], words, "last", COLORS),
        attention_figures.head_maps(np.stack([eye] * 5), words, "last", COLORS),
    ]
    for figure in drawn:
        figure.savefig(io.BytesIO(), format="png")
        assert figure.axes[0].get_title(loc="left")
