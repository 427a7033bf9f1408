"""The stage from model to tables: what is sampled, compared and checked."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from looking_glass.gpt.model import GPT
from looking_glass.likelihood import run
from looking_glass.likelihood.run import Likelihoods, sample_and_score
from looking_glass.likelihood.scores import Total
from looking_glass.pipeline.compute import ComputeParams
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


def test_the_product_is_that_of_the_sentence_drawn_on_past_its_end(
    model: GPT, tokenizer: Reader, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "sentence_is_over", lambda _, text: len(text) > 12)
    found = look(model, tokenizer, corpus)
    n = found.tables["samples"]["drawn_tokens"].iloc[0]
    assert n < 12 == found.tables["product"]["tokens"].max()
    nats = found.tables["product"]["cumulative"]
    assert nats[n - 1] == pytest.approx(found.tables["samples"]["nats"].iloc[0], abs=1e-4)
