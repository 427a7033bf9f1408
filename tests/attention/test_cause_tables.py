"""Tables of what caused a choice, and the report's sentence about a planted cause."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from looking_glass.attention import cause_tables as causes
from looking_glass.attention.interventions import knock_outs
from looking_glass.attention.measures import Measures
from looking_glass.attention.traced import TracedSentence
from looking_glass.gpt.model import GPT
from looking_glass.report.prose.choice import explain_measures
from looking_glass.text.tokenizer import Tokenizer


def test_what_is_most_probable_without_a_word(
    model: GPT, traced: TracedSentence, tokenizer: Tokenizer
) -> None:
    plain = causes.alternatives(model(traced.choices.contexts)[0, -1], tokenizer)
    assert plain["probability"].is_monotonic_decreasing
    chosen = plain["text"].iloc[0]
    # The knock-out of a word is how far the choice's log-probability falls, wherever it ends up.
    for blocks in ([1], [0, 1]):
        table = causes.removal_table(model, traced, blocks, "these", tokenizer)
        assert len(table) == 10 * causes.N_ALTERNATIVES
        assert table["removed"].drop_duplicates().tolist() == traced.words[:10]
        measured = knock_outs(model, traced.choices, blocks, sources=traced.spans)[0]
        here = table[table["text"] == chosen]
        assert len(here) > 0
        for _, row in here.iterrows():
            lost = math.log(plain["probability"].iloc[0] / row["probability"])
            assert lost == pytest.approx(float(measured[row["word"]]), abs=1e-4)


def test_the_parts_add_up_to_the_logit_and_to_the_margin(
    model: GPT, traced: TracedSentence
) -> None:
    table = causes.part_table(model, traced.choices)
    logits = model(traced.choices.contexts)[0, -1]
    best, second = logits.topk(2).values.tolist()
    assert table["logit"].sum() == pytest.approx(best, abs=1e-4)
    assert table["margin"].sum() == pytest.approx(best - second, abs=1e-4)
    assert table["part"].iloc[-1] == "remainder"
    assert table.iloc[-1][["logit", "margin"]].abs().max() < 1e-4


def test_where_the_context_ends_in_the_text_is_told(
    traced: TracedSentence, tokenizer: Tokenizer
) -> None:
    sentence = traced.sentence
    end = sentence.tokens[sentence.predicting - 1 : sentence.predicting + 1]
    other = (sentence.chosen + 1) % 50_000
    text = np.array([7, *end, other, *end, sentence.chosen, *end, other], dtype=np.uint16)
    table = causes.provenance_table(sentence, text, tokenizer)
    assert table["context_tokens"].tolist() == [2, 2]
    assert table["context"].tolist() == [tokenizer.decode(end)] * 2
    assert table["next"].tolist() == tokenizer.decode_each([other, sentence.chosen])
    assert table["count"].tolist() == [2, 1]
    assert table["is_the_choice"].tolist() == [0, 1]
    nowhere = np.array([other] * 3, dtype=np.uint16)
    assert causes.provenance_table(sentence, nowhere, tokenizer).empty


def test_the_reports_sentence_names_the_planted_source(planted: tuple[Measures, int]) -> None:
    measured = {name: values[:1] for name, values in planted[0].items()}
    words = ["one", "of", "these", "is", "not", "like", "the", "rest"]
    words[planted[1]] = "planted"
    text = explain_measures(causes.measure_table(measured, measured, words))
    assert text.startswith("Every measure names “planted” as the word that mattered most: by ")
    # Where another source is said to be the cause, so is the sentence.
    measured["direct"] = -measured["direct"]
    text = explain_measures(causes.measure_table(measured, measured, words))
    assert "Every measure" not in text
    assert "“planted” by removing it from this block's attention (" in text


def test_attention_is_ranked_beside_each_measure_by_hand() -> None:
    attention = torch.tensor([[0.5, 0.3, 0.2]])
    flat, opposite = torch.zeros(1, 3), torch.tensor([[-1.0, 0.0, 2.0]])
    measured = {"attention": attention, "knock_out": opposite, "direct": flat}
    table = causes.measure_table(measured, measured, ["a", "b", "c"])
    assert table["measure"].tolist() == ["knock_out", "direct"]
    assert table["words_correlation"].tolist() == [
        pytest.approx(-1),
        pytest.approx(math.nan, nan_ok=True),
    ]
    assert table["top_word"].tolist() == ["c", "a"]
    assert table["top_effect"].tolist() == [2.0, 0.0]
