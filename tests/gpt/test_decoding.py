"""Sentences are drawn side by side as each would be alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from looking_glass.gpt import decoding
from looking_glass.gpt.decoding import EDGE, Cache, draw_sentences
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from looking_glass.gpt.sampling import Sampling
from looking_glass.likelihood.scores import score
from tests.helpers.models import make_model, numbers

PIECES = [bytes([ord("A") + i % 26]) for i in range(97)]
FULL_STOP = PIECES[3]


def ended(text: bytes) -> bool:
    return text.endswith(FULL_STOP)


def test_the_cache_gives_the_hidden_states_of_the_whole_text() -> None:
    model = make_model(n_layer=3)
    ids = torch.randint(97, (4, 9))
    cache = Cache(model, 9)
    cache.keep(torch.zeros(4, dtype=torch.long))
    for t in range(9):
        hidden = cache.feed(ids[:, t])
        assert torch.allclose(hidden, model.hidden(model.embed(ids[:, : t + 1]))[:, -1], atol=1e-5)
        if t == 4:  # some are let go, some change places
            kept = torch.tensor([2, 0])
            cache.keep(kept)
            ids = ids[kept]


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    return make_model(block_size=32)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.5, top_k=20, top_p=0.9)])
def test_each_sentence_is_the_one_drawn_alone(model: GPT, sampling: Sampling) -> None:
    uniforms = numbers(50, 24)
    together = draw_sentences(model, [4, 8], uniforms, sampling, PIECES, ended, 24)
    lengths = {len(one.tokens) for one in together}
    assert len(lengths) > 3, "they end at different times"
    for index, one in enumerate(together):
        (alone,) = draw_sentences(
            model, [4, 8], uniforms[index : index + 1], sampling, PIECES, ended, 24
        )
        assert one.tokens == alone.tokens
        assert torch.allclose(one.log_probs, alone.log_probs, atol=1e-5)
        texts = [PIECES[token] for token in one.tokens]
        assert FULL_STOP not in texts[:-1]
        assert texts[-1] == FULL_STOP or len(texts) == 24


def test_a_draw_at_the_edge_of_two_tokens_is_drawn_alone(
    model: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    uniforms = numbers(6, 4)
    seen: list[int] = []
    original = draw_sentences

    def remember(model: GPT, prompt: list[int], uniforms: Tensor, *rest: object) -> object:
        seen.append(len(uniforms))
        return original(model, prompt, uniforms, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "draw_sentences", remember)
    plain = original(model, [4], uniforms, Sampling(), PIECES, ended, 4)
    assert seen == []
    uniforms[2, 0, 0] = EDGE / 2  # the first entry begins at 0
    original(model, [4], uniforms, Sampling(), PIECES, ended, 4)
    assert seen == [1]
    assert len(plain) == 6


def test_what_was_recorded_while_drawing_equals_rescoring(model: GPT) -> None:
    drawn = draw_sentences(model, [4, 8], numbers(5, 20), Sampling(), PIECES, ended, 20)
    for one in drawn:
        found = score(model, [4, 8], one.tokens, stride=8, begins_word=torch.zeros(97))
        assert torch.allclose(found.log_probs.double(), one.log_probs, atol=1e-5)
        assert torch.allclose(found.entropies.double(), one.entropies, atol=1e-5)
        assert torch.equal(one.log_probs, one.sampling_log_probs)


def test_in_double_precision_only_rounding_is_left_between_the_two() -> None:
    exact = make_model(block_size=32).double()
    drawn = draw_sentences(exact, [4, 8], numbers(5, 20), Sampling(), PIECES, ended, 20)
    for one in drawn:
        found = score(exact, [4, 8], one.tokens, stride=8, begins_word=torch.zeros(97))
        assert torch.allclose(found.log_probs, one.log_probs, atol=1e-12)


def test_without_numbers_the_most_probable_token_is_taken(model: GPT) -> None:
    (greedy,) = draw_sentences(model, [4, 8], None, Sampling(), PIECES, lambda _: False, 12)
    expected = generate_greedy(model, model.embed(torch.tensor([[4, 8]])), 12)[0]
    assert greedy.tokens == expected.tolist()


def test_the_block_is_filled_and_never_over(model: GPT) -> None:
    uniforms = numbers(3, 31)
    drawn = draw_sentences(model, [1, 2], uniforms, Sampling(), PIECES, lambda _: False, 31)
    assert {len(one.tokens) for one in drawn} == {31}
