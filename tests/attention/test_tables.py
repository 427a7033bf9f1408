"""The tables of a sentence's attention: by token and by word, of every head, adding up."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from looking_glass.attention import cause_tables, measures, tables
from looking_glass.attention.interventions import single
from looking_glass.attention.measures import Measures, of_block
from looking_glass.attention.traced import SUM_TOLERANCE, TracedSentence, block_arrays, word_arrays
from looking_glass.gpt.model import GPT

MATCHED = torch.arange(50_257).roll(1)


def measure(model: GPT, traced: TracedSentence, spans: list[tuple[int, int]]) -> Measures:
    """Return every measure of the last block, of one context."""
    measured = measures.measure(model, traced.choices, spans, MATCHED)
    return {name: values[None] for name, values in of_block(measured, 1).items()}


def test_what_the_words_receive_is_what_their_tokens_do(model: GPT, traced: TracedSentence) -> None:
    tokens = tables.token_table(traced, 1, measure(model, traced, single(traced.case.length)))
    words = tables.word_table(traced, tokens, measure(model, traced, traced.spans))
    assert words["text"].tolist() == traced.words
    assert words["word"].tolist() == list(range(12))
    assert "attention" not in words, "it is the rows themselves"
    for column in ("predicting_row", "own_row", "direct"):
        summed = tokens.groupby("word")[column].sum(min_count=1)
        np.testing.assert_allclose(words[column], summed, atol=1e-6)
    assert words["predicting_row"].sum() == pytest.approx(1, abs=1e-5)
    assert words["knock_out"].notna().tolist() == [True] * 10 + [False] * 2
    by_word = block_arrays(traced, 1)["words"]
    np.testing.assert_allclose(words["own_row"], by_word[10], atol=1e-6)


def test_without_the_first_token_the_rest_share_the_row(traced: TracedSentence) -> None:
    found = tables.without_first(torch.tensor([0.5, 0.3, 0.2, 0.0]))
    assert found == pytest.approx([math.nan, 0.6, 0.4, 0.0], nan_ok=True)
    tokens = tables.token_table(traced, 1, {})
    assert tokens["without_first"].sum() == pytest.approx(1)
    words = tables.word_table(traced, tokens, {})
    assert words["without_first"].sum() == pytest.approx(1)
    summed = tokens.groupby("word")["without_first"].sum(min_count=1)
    np.testing.assert_allclose(words["without_first"], summed)


def test_the_heads_rows_are_those_whose_mean_is_shown(model: GPT, traced: TracedSentence) -> None:
    knocked = cause_tables.by_head(model, traced.choices, 0)
    heads = tables.head_table(
        traced, 0, knocked, cause_tables.added_by_head(model, traced.choices, 0)
    )
    tokens = tables.token_table(traced, 0, {})
    for column in ("predicting_row", "own_row"):
        mean = heads.groupby("position")[column].mean()
        np.testing.assert_allclose(mean, tokens[column], atol=1e-6)
        np.testing.assert_allclose(heads.groupby("head")[column].sum(), 1, atol=1e-5)
    words = tables.head_word_table(
        traced, heads, cause_tables.by_head(model, traced.choices, 0, traced.spans)
    )
    assert len(words) == 2 * 12
    np.testing.assert_allclose(words.groupby("head")["own_row"].sum(), 1, atol=1e-5)
    assert words.groupby("head")["knock_out"].count().tolist() == [10, 10]


def test_the_numbers_of_a_row_by_hand() -> None:
    found = tables.row_numbers(torch.tensor([0.5, 0.25, 0.25, 0.0]), 2)
    assert found["sum"] == 1
    assert found["entropy"] == pytest.approx(1.5 * math.log(2))
    assert found["largest_entropy"] == pytest.approx(math.log(3))
    assert found["mean_distance"] == pytest.approx(0.5 * 2 + 0.25)
    assert (found["on_itself"], found["on_previous"], found["on_first"]) == (0.25, 0.25, 0.5)
    alone = tables.row_numbers(torch.tensor([0.75, 0.25]), 0)
    assert (alone["on_itself"], alone["on_previous"]) == (0.75, 0), "none stands before the first"


def test_every_head_and_their_mean_have_both_rows(traced: TracedSentence) -> None:
    rows = tables.row_table(traced, 1)
    assert rows["head"].tolist() == ["mean", "1", "2"] * 2
    np.testing.assert_allclose(rows["sum"], 1, atol=SUM_TOLERANCE)
    np.testing.assert_allclose(rows["attention_sum"], rows["query_rows"], atol=1e-4)
    mean = rows.groupby("row", sort=False)["on_first"].agg(list)
    for shares in mean:
        assert shares[0] == pytest.approx((shares[1] + shares[2]) / 2)


def test_each_table_has_its_columns(model: GPT, traced: TracedSentence) -> None:
    tokens = tables.token_table(traced, 0, {})
    heads = tables.head_table(
        traced,
        0,
        cause_tables.by_head(model, traced.choices, 0),
        cause_tables.added_by_head(model, traced.choices, 0),
    )
    words = tables.word_table(traced, tokens, {})
    rows = ["predicting_row", "own_row"]
    told = ["position", "text", "word"]
    assert list(tokens) == [*told, *rows, "without_first"]
    assert list(words) == ["word", "text", *rows, "without_first"]
    assert list(heads) == [*("head", "position", "text"), *rows, "knock_out", "direct"]
    assert list(tables.block_table(model, traced)) == [
        *("block", "word", "text", "predicting_row", "knock_out")
    ]
    assert list(tables.row_table(traced, 0)) == [
        *("row", "head", "sum", "entropy", "largest_entropy", "mean_distance"),
        *("on_itself", "on_previous", "on_first", "attention_sum", "query_rows", "sum_tolerance"),
    ]


def test_the_strip_shows_what_the_arrays_of_all_blocks_do(
    model: GPT, traced: TracedSentence
) -> None:
    found = word_arrays(model, traced)
    strip = tables.block_table(model, traced)
    assert strip["block"].tolist() == [1] * 10 + [2] * 10
    for block in (0, 1):
        rows = strip[strip["block"] == block + 1]
        np.testing.assert_allclose(rows["knock_out"], found["effect"][block, 10, :10], atol=1e-5)
        np.testing.assert_allclose(
            rows["predicting_row"], found["predicting"][block, :, 10, :10].mean(0), atol=1e-6
        )


def test_a_block_is_summed_up_in_numbers_with_names_of_its_own() -> None:
    details = {
        "entropy": 1.0,
        "mean_distance": 2.0,
        "on_first": 3.0,
        "largest_knock_out": 4.0,
        "rank_correlation": {"size": {"knock_out": None, "direct": 6.0}, "sign": {"knock_out": 1}},
    }
    assert tables.summary("last", details) == {
        "last_block_entropy": 1.0,
        "last_block_mean_distance": 2.0,
        "last_block_on_first_token": 3.0,
        "last_block_largest_knock_out": 4.0,
        "last_block_correlation_with_size_of_knock_out": None,
    }


def test_attentions_agreement_is_told_for_the_size_and_the_sign_of_effects(
    model: GPT, traced: TracedSentence
) -> None:
    measured = measure(model, traced, traced.spans)
    words = tables.word_table(traced, tables.token_table(traced, 1, {}), measured)
    trust = pd.DataFrame(
        {
            "measure": ["knock_out"] * 4,
            "kind": ["size", "size", "sign", "sign"],
            "pattern": ["attention", "shuffled"] * 2,
            "correlation": [0.5, 0.1, math.nan, 0.2],
        }
    )
    told = tables.metrics(tables.row_table(traced, 1), words, trust, 7)
    assert told["rank_correlation"] == {"size": {"knock_out": 0.5}, "sign": {"knock_out": None}}
    assert told["contexts"] == 7
    assert list(told) == [
        *("contexts", "predicting_row_sum", "own_row_sum", "attention_sum", "query_rows"),
        *("entropy", "mean_distance", "on_itself", "on_previous", "on_first"),
        *("largest_knock_out", "rank_correlation"),
    ]
    row = tables.row_numbers(traced.patterns[1].mean(dim=0)[traced.sentence.predicting], 0)
    assert told["predicting_row_sum"] == pytest.approx(row["sum"])
    assert told["entropy"] == pytest.approx(row["entropy"])
    assert told["largest_knock_out"] == pytest.approx(float(measured["knock_out"].max()))
