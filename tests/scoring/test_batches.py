"""Texts scored side by side have the scores that they have alone, and that transformers gives."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.likelihood.scores import score
from looking_glass.scoring import batches
from looking_glass.scoring.batches import BatchScorer, shared_beginnings
from tests.helpers.cases import COMPUTE
from tests.helpers.models import make_model, planted

BEGINS = torch.arange(97) % 3 == 0
CONTEXT = [5, 9]


def scorer_of(model: GPT, begins: Tensor = BEGINS, stride: int = 4) -> BatchScorer:
    return BatchScorer(model, CONTEXT, begins, COMPUTE, stride=stride)


def texts_of(lengths: list[int]) -> list[list[int]]:
    return [torch.randint(97, (n,)).tolist() for n in lengths]


@pytest.mark.parametrize("tied", [True, False])
def test_each_has_the_scores_that_it_has_alone(monkeypatch: pytest.MonkeyPatch, tied: bool) -> None:
    """Whatever its length: the block holds 16 tokens, and the context is two of them."""
    monkeypatch.setattr(batches, "POSITIONS", 40)
    model = make_model(tie_weights=tied)
    texts = texts_of([3, 14, 1, 15, 40, 7, 14, 16, 2, 9])
    texts += [texts[1][:6], texts[1]]  # which begin as another does
    found = scorer_of(model).score(texts)
    for text, one in zip(texts, found, strict=True):
        alone = score(model, CONTEXT, text, stride=4, begins_word=BEGINS)
        assert one.log_probs == pytest.approx(alone.log_probs.numpy(), abs=1e-5)
        assert one.word_starts == pytest.approx(alone.word_starts.numpy(), abs=1e-5)


def test_the_sum_is_transformers_loss(tmp_path: Path) -> None:
    model = make_model(tie_weights=False)
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()  # type: ignore[no-untyped-call]
    texts = texts_of([6, 11, 2])
    for text, one in zip(texts, scorer_of(model).score(texts), strict=True):
        ids = torch.tensor([CONTEXT + text])
        labels = torch.tensor([[-100] * len(CONTEXT) + text])
        with torch.no_grad():
            loss = theirs(ids, labels=labels).loss.item()  # nats a token, the context left out
        assert -one.log_probs.sum() == pytest.approx(loss * len(text), abs=1e-4)


def test_a_token_too_improbable_for_float32_has_its_score() -> None:
    rows = [[0.0] * 8 for _ in range(4)]
    rows[1], rows[2] = [40.0] * 8, [-40.0] * 8
    model = planted(rows, shift=1.0)  # whose last states are about 1 in each channel
    begins = torch.tensor([False, False, True, False])
    (found,) = BatchScorer(model, [0], begins, COMPUTE, stride=4).score([[2, 1]])
    alone = score(model, [0], [2, 1], stride=4, begins_word=begins)
    assert found.log_probs[0] < -100
    # Logits of 640, of which float32 tells no two apart that are nearer than 6e-5.
    assert found.log_probs == pytest.approx(alone.log_probs.numpy(), rel=1e-6, abs=1e-4)
    assert found.word_starts == pytest.approx(alone.word_starts.numpy(), rel=1e-5)


def test_where_no_token_begins_a_word_none_is_begun() -> None:
    texts = texts_of([3, 4])
    none = scorer_of(make_model(), torch.zeros(97, dtype=torch.bool)).score(texts)
    every = scorer_of(make_model(), torch.ones(97, dtype=torch.bool)).score(texts)
    assert all((one.word_starts == -math.inf).all() for one in none)
    assert all((one.word_starts > -1e-6).all() for one in every)


def test_what_begins_alike_is_one_beginning() -> None:
    first, place = shared_beginnings([[7, 8], [7, 9], [8], [7, 8, 8]])
    # Rows: "" 7 78 | "" 7 79 | "" 8 | "" 7 78 788
    assert place.tolist() == [0, 1, 2, 0, 1, 3, 0, 4, 0, 1, 2, 5]
    assert first.tolist() == [0, 1, 2, 5, 7, 11]


def test_a_context_is_required() -> None:
    with pytest.raises(ValueError, match="a token of context is required"):
        BatchScorer(make_model(), [], BEGINS, COMPUTE, stride=4)
