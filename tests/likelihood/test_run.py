"""The stage from model to tables: what is sampled, compared and checked."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from looking_glass.gpt.model import GPT
from looking_glass.likelihood import run, tables
from looking_glass.likelihood.run import Likelihoods, sample_and_score
from looking_glass.likelihood.scores import Scores, Total, score
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Corpus
from looking_glass.text.reader import Reader
from tests.helpers.likelihood import params
from tests.helpers.models import make_model

ALONE = ComputeParams(device="cpu", threads=1, portable=False)


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    return make_model(vocab_size=50_257)


@pytest.fixture(scope="module")
def corpus(tokenizer: Reader) -> Corpus:
    text = "It was late.\n\nShe ran home. The cat saw her, and the queen did not."
    tokens = np.array(tokenizer.encode(text), dtype=np.uint16)
    return Corpus(train=tokens, val=tokens, vocab_size=50_257, val_bytes=1)


def look(model: GPT, tokenizer: Reader, corpus: Corpus, **changes: object) -> Likelihoods:
    return sample_and_score(model, tokenizer, corpus, params(**changes), ALONE)


def test_a_sentence_is_the_same_however_many_are_sampled_with_it(
    model: GPT, tokenizer: Reader, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = look(model, tokenizer, corpus, samples=3)
    monkeypatch.setattr(run, "SHARE", 4)
    many = look(model, tokenizer, corpus, samples=9)
    told = [found.tables["samples"]["text"].tolist() for found in (few, many)]
    assert told[0] == told[1][:3]
    assert len(set(told[1])) == 9
    assert few.details["nats"] == pytest.approx(many.details["nats"])


def test_each_sentence_asked_for_is_compared_once(
    model: GPT, tokenizer: Reader, corpus: Corpus
) -> None:
    names = ["greedy", "shuffled", "held_out", "greedy", "sampled"]
    found = look(model, tokenizer, corpus, compare=names, sentences=["a cat"])
    ranked = found.tables["sentences"].set_index("sentence")["text"]
    assert sorted(ranked.index) == ["greedy", "held_out", "sampled", "shuffled", "yours"]
    assert ranked["held_out"] == "She ran home."
    assert ranked["yours"] == "a cat"
    assert ranked["sampled"] == found.sentence.strip()
    assert sorted(ranked["shuffled"].split()) == sorted(ranked["sampled"].split())


def test_what_was_drawn_is_what_is_scored(model: GPT, tokenizer: Reader, corpus: Corpus) -> None:
    found = look(model, tokenizer, corpus, temperature=0.5, top_k=50)
    first = found.tables["samples"].iloc[0]
    assert found.details["nats"] == pytest.approx(first["nats"], abs=1e-4)
    assert found.details["sampling_nats"] == first["sampling_nats"] > first["nats"]
    assert found.details["calibration"]["tokens"] == len(corpus.val) - 1


def test_all_that_is_told_of_the_sentence_and_the_held_out_text(
    model: GPT, tokenizer: Reader, corpus: Corpus
) -> None:
    found = look(model, tokenizer, corpus)
    assert list(found.tables) == [
        *("samples", "verbatim", "tokens", "words", "sentences", "product", "calibration")
    ]
    details = found.details
    assert list(details) == [
        *("tokens", "vocab_size", "even_nats", "unscored_prompt_tokens", "words_corrected"),
        *(field.name for field in fields(Total)),
        *("sampling_nats", "samples", "calibration", "copied"),
    ]
    assert details["vocab_size"] == 50_257
    assert details["even_nats"] == pytest.approx(np.log(50_257))
    assert details["words_corrected"] is True
    assert set(details["copied"]) == {"run", "sampled", "held_out"}
    held = details["calibration"]
    assert list(held) == [
        *("tokens", "nats_per_token", "window_change", "window_change_error"),
        *("accuracy", "confidence", "gap_error", "expected_calibration_error"),
        *("calibration_error_by_chance", "calibration_error_by_chance_95"),
    ]
    # The whole text fits in two blocks: what the model says of each token, by plain means.
    text = torch.from_numpy(corpus.val.astype(np.int64))
    first = model(text[None, :16])[0].log_softmax(-1)[:-1]
    right = (first.argmax(-1) == text[1:16]).tolist()
    surest = first.exp().amax(-1).tolist()
    rest = range(16, len(text))
    for at in rest:  # a window that moves by the stride of one token keeps all that fits before
        logs = model(text[None, at - 16 : at])[0, -1].log_softmax(-1)
        right.append(int(logs.argmax()) == int(text[at]))
        surest.append(float(logs.exp().amax()))
    own = look(model, tokenizer, corpus, stride=1).details["calibration"]
    assert own["accuracy"] == pytest.approx(sum(right) / len(right))
    assert own["confidence"] == pytest.approx(sum(surest) / len(surest), rel=1e-4)


def test_more_tokens_than_the_vocabulary_has_cannot_be_kept() -> None:
    run.check_top_k(params(top_k=97), 97)
    with pytest.raises(InputError, match=r"logprob\.top_k: at most the vocabulary, 97 tokens"):
        run.check_top_k(params(top_k=98), 97)


def test_the_length_of_a_text_is_told_where_a_part_of_it_was_read() -> None:
    text = np.arange(9, dtype=np.uint16)
    assert run.part_of((text,), text) == {}
    assert run.part_of((text[:3], text[5:7]), text) == {"of_tokens": 9}


def test_calibration_by_hand() -> None:
    probabilities = torch.tensor([0.9, 0.8, 0.6, 0.3])
    window = Scores(
        log_probs=torch.tensor([-0.1, -2.0, -0.5, -3.0]),
        ranks=torch.tensor([1, 2, 1, 2]),
        entropies=torch.ones(4),
        largest=probabilities.log(),
        word_starts=torch.zeros(5),
    )
    blocks = replace(window, log_probs=window.log_probs - torch.tensor([0.0, 0.5, 0.5, 1.0]))
    bins, found = run.calibrate(window, blocks, params(bins=2), 2)
    assert bins["accuracy"].tolist() == [0, pytest.approx(2 / 3)]
    assert found["tokens"] == 4
    assert found["accuracy"] == 0.5
    assert found["confidence"] == pytest.approx(0.65)
    assert found["nats_per_token"] == pytest.approx(1.4)
    assert found["window_change"] == pytest.approx(-0.5)
    assert found["expected_calibration_error"] == pytest.approx((0.3 + 0.3) / 4)
    again = run.calibrate(window, blocks, params(bins=2), 2)[1]
    assert again == found, "chance is drawn from the seed"
    other = run.calibrate(window, blocks, params(bins=2, seed=2), 2)[1]
    assert other["calibration_error_by_chance"] != found["calibration_error_by_chance"]


def test_where_words_begin_is_told_to_all_that_corrects_for_it(
    model: GPT, tokenizer: Reader, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    word_table = tables.word_table

    def spy(one: tables.Scored, tokenizer: Reader, *, after_space: bool) -> pd.DataFrame:
        told.append(after_space)
        return word_table(one, tokenizer, after_space=after_space)

    monkeypatch.setattr(tables, "word_table", spy)
    look(model, tokenizer, corpus, prompt="She ran.")
    look(model, tokenizer, corpus, prompt="\n\n")
    assert told == [False, True]
    # A text may end before a word, so its end counts as one that begins.
    ends: list[float] = []

    def scored(*given: Any, begins_word: Tensor, **named: Any) -> Scores:
        ends.append(float(begins_word[tokenizer.end_of_text]))
        return score(*given, begins_word=begins_word, **named)

    monkeypatch.setattr(run, "score", scored)
    look(model, tokenizer, corpus)
    assert set(ends) == {1.0}


def test_the_product_is_that_of_the_sentence_drawn_on_past_its_end(
    model: GPT, tokenizer: Reader, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "sentence_is_over", lambda _, text: len(text) > 12)
    found = look(model, tokenizer, corpus)
    n = found.tables["samples"]["drawn_tokens"].iloc[0]
    assert n < 12 == found.tables["product"]["tokens"].max()
    nats = found.tables["product"]["cumulative"]
    assert nats[n - 1] == pytest.approx(found.tables["samples"]["nats"].iloc[0], abs=1e-4)
