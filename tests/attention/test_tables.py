"""The tables of a sentence's attention: by token and by word, of every head, adding up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from looking_glass.attention import tables as tables
from looking_glass.attention import cause_tables as causes
from looking_glass.attention.agreement import measure
from looking_glass.attention.tables import View
from looking_glass.text.corpus import Corpus
from looking_glass.attention.interventions import choose
from looking_glass.gpt.model import GPT
from looking_glass.text.tokenizer import Tokenizer
from tests.conftest import make_model

PROMPT = 'A “squirrel” said: walnuts,  acorns; 🐿️ and "why not" tea?'


@pytest.fixture(scope="module")
def tokenizer(tables: tuple[Path, Path]) -> Tokenizer:
    return Tokenizer(*tables)


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    return make_model(vocab_size=50_257, block_size=48)


@pytest.fixture(scope="module")
def view(model: GPT, tokenizer: Tokenizer) -> View:
    """How a model sees a sentence whose words have one to many tokens."""
    return tables.look(model, tokenizer, PROMPT)


def test_what_the_words_receive_is_what_their_tokens_do(model: GPT, view: View) -> None:
    assert [word.stop - word.start for word in view.sentence.words][:10] != [1] * 10
    matched = torch.arange(50_257).roll(1)
    tokens = tables.token_table(view, 1, measure(model, view.choices, 1, matched))
    words = tables.word_table(view, tokens, measure(model, view.choices, 1, matched, view.spans))
    assert words["text"].tolist()[:10] == PROMPT.split()
    for column in ("predicting_row", "own_row", "direct"):
        summed = tokens.groupby("word")[column].sum(min_count=1)
        np.testing.assert_allclose(words[column], summed, atol=1e-6)
    assert words["predicting_row"].sum() == pytest.approx(1, abs=1e-5)
    assert words["knock_out"].notna().tolist() == [True] * 10 + [False] * 2
    by_word = tables.arrays(model, view, 1)["words"]
    np.testing.assert_allclose(words["own_row"], by_word[10], atol=1e-6)


def test_the_heads_rows_are_those_whose_mean_is_shown(model: GPT, view: View) -> None:
    knocked = causes.by_head(model, view.choices, 0)
    heads = tables.head_table(view, 0, knocked, causes.added_by_head(model, view.choices, 0))
    tokens = tables.token_table(view, 0, {})
    for column in ("predicting_row", "own_row"):
        mean = heads.groupby("position")[column].mean()
        np.testing.assert_allclose(mean, tokens[column], atol=1e-6)
        np.testing.assert_allclose(heads.groupby("head")[column].sum(), 1, atol=1e-5)
    words = tables.head_word_table(view, heads, causes.by_head(model, view.choices, 0, view.spans))
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


def test_every_head_and_their_mean_have_both_rows(view: View) -> None:
    rows = tables.row_table(view, 1)
    assert rows["head"].tolist() == ["mean", "1", "2"] * 2
    np.testing.assert_allclose(rows["sum"], 1, atol=tables.SUM_TOLERANCE)
    np.testing.assert_allclose(rows["attention_sum"], rows["query_rows"], atol=1e-4)
    mean = rows.groupby("row", sort=False)["on_first"].agg(list)
    for shares in mean:
        assert shares[0] == pytest.approx((shares[1] + shares[2]) / 2)


def test_all_blocks_are_seen_from_every_word(model: GPT, view: View) -> None:
    found = tables.arrays(model, view, 0)
    assert found["predicting"].shape == found["own"].shape == (2, 2, 12, 12)
    np.testing.assert_allclose(found["own"].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(found["predicting"][:, :, 1:].sum(-1), 1, atol=1e-5)
    strip: Any = tables.block_table(model, view)
    for block in (0, 1):
        rows = strip[strip["block"] == block + 1]
        np.testing.assert_allclose(rows["knock_out"], found["effect"][block, 10, :10], atol=1e-5)
        np.testing.assert_allclose(
            rows["predicting_row"], found["predicting"][block, :, 10, :10].mean(0), atol=1e-6
        )
    assert (found["effect"].triu(0) == 0).all()


def test_what_is_most_probable_without_a_word(model: GPT, view: View, tokenizer: Tokenizer) -> None:
    table = causes.removal_table(model, view.choices, 1, view.spans, view.words, tokenizer)
    assert len(table) == 2 * 10 * causes.N_ALTERNATIVES
    plain = causes.alternatives(model(view.choices.contexts)[0, -1], tokenizer)
    assert plain["probability"].is_monotonic_decreasing
    chosen = plain["text"].iloc[0]
    # The knock-out of a word is how far the choice's log-probability falls, wherever it ends up.
    measured = measure(model, view.choices, 1, torch.arange(50_257), view.spans)["knock_out"][0]
    here = table[(table["scope"] == "this block") & (table["text"] == chosen)]
    assert len(here) > 0
    for _, row in here.iterrows():
        lost = math.log(plain["probability"].iloc[0] / row["probability"])
        assert lost == pytest.approx(float(measured[row["word"]]), abs=1e-4)


def test_a_given_token_is_explained_in_place_of_the_best(model: GPT, view: View) -> None:
    contexts = view.choices.contexts
    third = model(contexts)[:, -1].topk(3).indices[:, 2]
    top = model(contexts)[0, -1].topk(2)
    assert [int(view.choices.chosen[0]), int(view.choices.second[0])] == top.indices.tolist()
    assert float(view.choices.margins[0]) == pytest.approx(float(top.values.diff().abs()), abs=1e-5)
    told = choose(model, contexts, third)
    assert told.second.tolist() == view.choices.chosen.tolist()
    assert float(told.margins[0]) < 0
    assert told.log_probs[0] < view.choices.log_probs[0]


def test_tokens_are_matched_among_those_of_the_training_text(tokenizer: Tokenizer) -> None:
    text = np.array(tokenizer.encode(" cat dog dog bird , , , ; ;"), dtype=np.uint16)
    corpus = Corpus(train=text, val=text, vocab_size=50_257, val_bytes=1)
    matched = causes.match_tokens(corpus, tokenizer)
    seen = set(text.tolist())
    assert {int(matched[token]) for token in seen} <= seen
    assert all(int(matched[token]) != token for token in seen)
    assert int(matched[777]) == 777
