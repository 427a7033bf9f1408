"""Tables of what caused a choice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from looking_glass.attention import cause_tables as causes
from looking_glass.attention.continuation import Continuation
from looking_glass.attention.interventions import knock_outs, single
from looking_glass.attention.measures import MEASURES, Measures, in_each_block
from looking_glass.attention.traced import TracedSentence
from looking_glass.gpt.model import GPT
from looking_glass.text.corpus import Tokens
from looking_glass.text.reader import Reader


def test_what_is_most_probable_without_a_word(
    model: GPT, traced: TracedSentence, tokenizer: Reader
) -> None:
    plain = causes.alternatives(model(traced.choices.contexts)[0, -1], tokenizer)
    assert plain["probability"].is_monotonic_decreasing
    chosen = plain["text"].iloc[0]
    # The knock-out of a word is how far the choice's log-probability falls, wherever it ends up.
    for blocks, every_row in (([1], False), ([0, 1], False), ([0, 1], True)):
        table = causes.removal_table(model, traced, blocks, "these", tokenizer, every_row=every_row)
        assert len(table) == 10 * causes.N_ALTERNATIVES
        assert table["removed"].drop_duplicates().tolist() == traced.words[:10]
        measured = knock_outs(
            model, traced.choices, blocks, sources=traced.spans, every_row=every_row
        )[0]
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


def text_after(sentence: Continuation, followers: list[int]) -> Tokens:
    """Return a text in which the last two tokens of the context stand before each follower."""
    end = sentence.tokens[sentence.predicting - 1 : sentence.predicting + 1]
    return np.array([7, *(t for token in followers for t in (*end, token))], dtype=np.uint16)


def test_where_the_context_ends_in_the_text_is_told(
    traced: TracedSentence, tokenizer: Reader
) -> None:
    sentence = traced.sentence
    end = sentence.tokens[sentence.predicting - 1 : sentence.predicting + 1]
    other = (sentence.chosen + 1) % 50_000
    text = text_after(sentence, [other, sentence.chosen, other])
    table = causes.provenance_table(sentence, text, tokenizer)
    assert table["context_tokens"].tolist() == [2, 2]
    assert table["context"].tolist() == [tokenizer.decode(end)] * 2
    assert table["next"].tolist() == tokenizer.decode_each([other, sentence.chosen])
    assert table["count"].tolist() == [2, 1]
    assert table["rank"].tolist() == [1, 2]
    assert table["times"].tolist() == [3, 3]
    assert table["followers"].tolist() == [2, 2]
    assert table["is_the_choice"].tolist() == [0, 1]
    nowhere = np.array([other] * 3, dtype=np.uint16)
    assert causes.provenance_table(sentence, nowhere, tokenizer).empty


def test_a_choice_beyond_the_most_frequent_ten_is_told_with_its_rank(
    traced: TracedSentence, tokenizer: Reader
) -> None:
    sentence = traced.sentence
    others = [(sentence.chosen + i) % 50_000 for i in range(1, 15)]
    # Thirteen followers come twice, the choice once, and one more once after it.
    text = text_after(sentence, [*others[:13] * 2, sentence.chosen, others[13]])
    table = causes.provenance_table(sentence, text, tokenizer)
    assert table["rank"].tolist() == [*range(1, 11), 14]
    assert table["is_the_choice"].tolist() == [0] * 10 + [1]
    assert table["next"].iloc[-1] == tokenizer.decode_each([sentence.chosen])[0]
    assert (table["times"].iloc[0], table["followers"].iloc[0]) == (28, 15)
    never = causes.provenance_table(sentence, text_after(sentence, others), tokenizer)
    assert never["rank"].tolist() == list(range(1, 11))
    assert never["is_the_choice"].sum() == 0
    assert (never["times"].iloc[0], never["followers"].iloc[0]) == (14, 14)


def test_the_planted_source_is_on_top_by_every_measure(planted: tuple[Measures, int]) -> None:
    measured = {name: values[:1] for name, values in planted[0].items()}
    words = ["one", "of", "these", "is", "not", "like", "the", "rest"]
    table = causes.measure_table(measured, measured, words)
    assert table["measure"].tolist() == list(MEASURES)
    assert (table["top"] == planted[1]).all()
    # Where another source is said to be the cause, so does the table.
    measured["direct"] = -measured["direct"]
    table = causes.measure_table(measured, measured, words).set_index("measure")
    assert table.loc["direct", "top"] != planted[1]


def test_attention_is_ranked_beside_each_measure_by_hand() -> None:
    attention = torch.tensor([[0.5, 0.3, 0.2]])
    flat, opposite = torch.zeros(1, 3), torch.tensor([[-1.0, 0.0, 2.0]])
    measured = {"attention": attention, "knock_out": opposite, "direct": flat}
    by_token = {**measured, "knock_out": torch.tensor([[3.0, 2.0, 1.0]])}
    # Of three words the first and the last are the same: their places tell them apart.
    table = causes.measure_table(by_token, measured, ["a", "b", "a"])
    assert table["measure"].tolist() == ["knock_out", "direct"]
    assert table["tokens_correlation"].tolist()[0] == pytest.approx(1)
    # Of the sizes 1, 0 and 2 the ranks are 2, 1 and 3: 1 - 6 · (1 + 1 + 4) / (3 · 8).
    assert table["words_size_correlation"].tolist()[0] == pytest.approx(-0.5)
    assert table["words_correlation"].tolist() == [
        pytest.approx(-1),
        pytest.approx(math.nan, nan_ok=True),
    ]
    assert table["top"].tolist() == [2, 0]
    assert table["top_word"].tolist() == ["a", "a"]
    assert table["top_effect"].tolist() == [2.0, 0.0]


def test_a_source_without_a_number_is_never_on_top() -> None:
    attention = torch.tensor([[0.5, 0.3, 0.2]])
    effects = torch.tensor([[math.nan, -2.0, -1.0]])
    measured = {"attention": attention, "replacement": effects}
    table = causes.measure_table(measured, measured, ["a", "b", "c"])
    assert table["top"].tolist() == [2]
    assert table["top_effect"].tolist() == [-1.0]
    assert table["words_correlation"].tolist() == [pytest.approx(-1)]


def test_what_a_head_adds_is_towards_the_log_probability(
    model: GPT, traced: TracedSentence
) -> None:
    added = causes.added_by_head(model, traced.choices, 1)  # (nh, S)
    whole = in_each_block(model, traced.choices, single(traced.case.length))
    assert added.shape == (2, traced.case.length)
    assert torch.allclose(added.sum(dim=0), whole["direct"][1], atol=1e-5)
