"""Tables of log-probabilities add up, token by token and word by word."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from looking_glass.gpt.decoding import Drawn
from looking_glass.likelihood import tables
from looking_glass.likelihood.scores import score
from looking_glass.likelihood.sentences import Sentence
from looking_glass.text.corpus import Corpus
from looking_glass.text.reader import Reader
from tests.helpers.models import make_model

TEXTS = {
    "sampled": "a cat",
    "shuffled": "$5 <b>\n x_1",
    "yours 1": "🐿️",
    "yours 2": "one two three four five six seven eight nine ten eleven",
}


@pytest.fixture(scope="module")
def scored(tokenizer: Reader) -> list[tables.Scored]:
    torch.manual_seed(0)
    model = make_model(vocab_size=50_257)
    begins = torch.zeros(50_257)
    begins[::2] = 1
    found = []
    for name, text in TEXTS.items():
        tokens = tokenizer.encode(text)
        scores = score(model, [198], tokens, stride=8, begins_word=begins)
        found.append(tables.Scored(sentence=Sentence(name=name, tokens=tokens), scores=scores))
    return found


def test_tokens_words_and_totals_add_up(scored: list[tables.Scored], tokenizer: Reader) -> None:
    tokens = pd.concat(tables.token_table(one, tokenizer) for one in scored)
    words = pd.concat(tables.word_table(one, tokenizer, after_space=True) for one in scored)
    ranked = tables.sentence_table(scored, words, tokenizer)
    assert list(tokens) == [
        *("sentence", "position", "text", "word", "log_prob", "rank", "entropy", "cumulative")
    ]
    assert tokens["rank"].tolist() == [int(r) for one in scored for r in one.scores.ranks]
    assert ranked["nats"].is_monotonic_decreasing
    assert ranked["rank"].tolist() == [1, 2, 3, 4]
    assert dict(zip(ranked["sentence"], ranked["text"], strict=True)) == TEXTS
    for row in ranked.to_dict("records"):
        own, told = (table[table["sentence"] == row["sentence"]] for table in (tokens, words))
        assert row["nats"] == pytest.approx(own["log_prob"].sum(), rel=1e-5)
        assert row["nats"] == pytest.approx(own["cumulative"].iloc[-1], rel=1e-5)
        assert row["nats"] == pytest.approx(-told["surprisal"].sum(), rel=1e-5)
        assert row["corrected_nats"] == pytest.approx(-told["corrected"].sum(), rel=1e-5)
        assert row["words"] == len(told) == len(TEXTS[row["sentence"]].split())
        pieces = tokenizer.decode_each(tokenizer.encode(TEXTS[row["sentence"]]))
        assert own["text"].tolist() == pieces
        assert told["text"].tolist() == TEXTS[row["sentence"]].split()
        assert told["word"].tolist() == list(range(len(told)))
        assert told["tokens"].tolist() == own.groupby("word").size().tolist()
        assert row["tokens"] == told["tokens"].sum() == len(own)
        product = np.exp(np.float32(own["log_prob"])).prod(dtype=np.float32)
        assert row["float32_product"] == pytest.approx(product, rel=1e-3, abs=1e-40)
        np.testing.assert_allclose(told["difference"], told["corrected"] - told["surprisal"])


def drawn(log_probs: list[float], entropies: list[float]) -> Drawn:
    values = torch.tensor(log_probs, dtype=torch.float64)
    return Drawn(
        tokens=[383] * len(log_probs),
        log_probs=values,
        sampling_log_probs=values,
        entropies=torch.tensor(entropies, dtype=torch.float64),
    )


def test_the_place_of_the_first_and_the_entropy_check_by_hand(tokenizer: Reader) -> None:
    table = tables.sample_table(
        [drawn([-2, -2], [1, 1]), drawn([-1], [2]), drawn([-9, -3, -3], [4, 4, 4])], tokenizer
    )
    found = tables.sample_metrics(table)
    assert found["share_less_probable"] == pytest.approx(1 / 3)
    assert found["share_less_probable_per_token"] == pytest.approx(1 / 3)
    assert found["nats_per_token"] == pytest.approx(20 / 6)
    assert found["entropy_per_token"] == pytest.approx(16 / 6)
    assert found["difference"] == pytest.approx((2 - 1 + 3) / 3)
    assert found["sentences"] == 3
    assert found["mean_tokens"] == pytest.approx(table["tokens"].mean())
    assert found["mean_nats"] == pytest.approx(table["nats"].mean())
    assert found["standard_error"] == pytest.approx((13 / 3 / 3) ** 0.5)


def test_of_what_was_drawn_the_sentence_alone_is_counted(tokenizer: Reader) -> None:
    tokens = tokenizer.encode(" She ran.") + tokenizer.encode_prompt("\n\n")
    values = -torch.arange(1.0, len(tokens) + 1, dtype=torch.float64)
    one = Drawn(tokens=tokens, log_probs=values, sampling_log_probs=2 * values, entropies=-values)
    (row,) = tables.sample_table([one], tokenizer).to_dict("records")
    assert row == {
        "text": "She ran.",
        "tokens": 3,
        "nats": -6.0,
        "sampling_nats": -12.0,
        "drawn_tokens": 5,
        "drawn_nats": -30.0,
        "drawn_entropy": 15.0,
    }
    text = np.array([5, *tokens[:2], 6, *tokens[2:]], dtype=np.uint16)
    table = tables.verbatim_table([one, one], tokenizer, text)
    assert list(table) == ["sentence", "text", "run"]
    assert table["sentence"].tolist() == [1, 1, 1, 2, 2, 2]
    assert table["text"].tolist() == [" She", " ran", "."] * 2
    runs = table["run"].tolist()[:3]
    assert runs == [2, 2, 1], "what follows the sentence makes its runs no longer"


def test_what_is_copied_stands_beside_what_the_book_shares_with_itself(
    tokenizer: Reader,
) -> None:
    sentence = tokenizer.encode(" One two three four five six seven.")
    values = -torch.ones(len(sentence), dtype=torch.float64)
    one = Drawn(tokens=sentence, log_probs=values, sampling_log_probs=values, entropies=values)
    n = len(sentence)
    train = np.array([7, *sentence[:5], 7, *sentence[:4]], dtype=np.uint16)
    val = np.array([9] * n + sentence[:4] + [9] * (n - 4) + [9], dtype=np.uint16)
    corpus = Corpus(train=train, val=val, vocab_size=50_257, val_bytes=1)
    found = tables.copied_shares([one], tokenizer, corpus)
    assert found == {"run": 5, "sampled": pytest.approx(5 / n), "held_out": 0.0}
    corpus = Corpus(train=train, val=val[:3], vocab_size=50_257, val_bytes=1)
    assert tables.copied_shares([one], tokenizer, corpus)["held_out"] == 0.0, "too short a text"


def test_the_product_falls_to_zero_and_the_sum_does_not() -> None:
    table = tables.product_table(torch.full((60,), -5.0))
    assert table["cumulative"].tolist() == pytest.approx([-5.0 * n for n in range(1, 61)])
    # e^-100 is 3.7 · 10^-44, which float32 still holds in part; e^-105 is 2.5 · 10^-46.
    assert (table["float32_product"] > 0).tolist() == [True] * 20 + [False] * 40


def test_runs_are_compared_by_the_few_numbers_of_the_details() -> None:
    details = {
        "nats": -1.0,
        "tokens": 2,
        "perplexity": 3.0,
        "bits_per_byte": 4.0,
        "samples": {"nats_per_token": 5.0, "entropy_per_token": 6.0},
        "calibration": {"nats_per_token": 7.0, "expected_calibration_error": 8.0},
    }
    assert tables.summary(details) == {
        "sentence_nats": -1.0,
        "sentence_tokens": 2,
        "sentence_perplexity": 3.0,
        "sentence_bits_per_byte": 4.0,
        "sampled_nats_per_token": 5.0,
        "sampled_entropy_per_token": 6.0,
        "val_loss_sliding": 7.0,
        "calibration_error": 8.0,
    }
