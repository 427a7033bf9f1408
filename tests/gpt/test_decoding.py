"""Sentences are drawn from the distribution asked for, and alone as beside others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from looking_glass.gpt.decoding import DIGITS, EDGE, Cache, Sampling, draw, draw_sentences
from looking_glass.likelihood.scores import score
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from tests.conftest import make_model

PIECES = [chr(ord("A") + i % 26) for i in range(97)]
FULL_STOP = PIECES[3]
LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, 0.7, -0.2])
# The 0.999 quantiles of chi-square by degrees of freedom.
QUANTILES = {2: 13.82, 3: 16.27, 4: 18.47, 6: 22.46}


def numbers(n: int, length: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, length, DIGITS, generator=generator, dtype=torch.double)


def ended(text: str) -> bool:
    return text.endswith(FULL_STOP)


class Constant(torch.nn.Module):
    """An output layer that says the same whatever it is given."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, hidden: Tensor) -> Tensor:
        return self.logits.expand(len(hidden), -1)


def draws(logits: Tensor, n: int, sampling: Sampling) -> Tensor:
    model = make_model()
    model.lm_head = Constant(logits)  # type: ignore[assignment]
    return draw(model, torch.zeros(n, 8), numbers(n, 1)[:, 0], sampling).tokens


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.5),
        Sampling(temperature=2.0),
        Sampling(top_k=3),
        Sampling(top_p=0.8),
        Sampling(temperature=1.5, top_k=5, top_p=0.9),
    ],
)
def test_a_hundred_thousand_draws_follow_the_distribution(sampling: Sampling) -> None:
    # Hugging Face's warpers say what the distribution is.
    expected = LOGITS[None]
    if sampling.temperature != 1:
        expected = TemperatureLogitsWarper(sampling.temperature)(None, expected)
    if sampling.top_k:
        expected = TopKLogitsWarper(sampling.top_k)(None, expected)
    if sampling.top_p:
        expected = TopPLogitsWarper(sampling.top_p)(None, expected)
    probs = expected[0].softmax(-1)
    assert torch.allclose(sampling.logits(LOGITS).softmax(-1), probs, atol=1e-6)
    n, seen = 100_000, probs > 0
    counts = draws(LOGITS, n, sampling).bincount(minlength=7)
    assert counts[~seen].sum() == 0
    chi_square = ((counts - n * probs)[seen] ** 2 / (n * probs)[seen]).sum()
    assert chi_square < QUANTILES[int(seen.sum()) - 1]


def test_ties_at_the_kth_place_are_all_kept_and_one_token_is_always_left() -> None:
    logits = torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert Sampling(top_k=2).logits(logits).isfinite().tolist() == [True, True, True, False]
    assert Sampling(top_p=1e-9).logits(LOGITS).isfinite().sum() == 1


def test_a_number_at_either_end_finds_a_token_that_has_weight() -> None:
    model = make_model()
    logits = torch.full((60,), -torch.inf)
    logits[[7, 41]] = 0.0
    model.lm_head = Constant(logits)  # type: ignore[assignment]
    ends = torch.tensor([[0.0] * DIGITS, [1 - 1e-16] * DIGITS, [1.0] * DIGITS]).double()
    assert draw(model, torch.zeros(3, 8), ends, Sampling()).tokens.tolist() == [7, 41, 41]


def test_what_is_said_of_a_draw_is_that_of_its_distribution() -> None:
    model = make_model()
    hidden = torch.randn(20, 8)  # more than are worked on at once
    for sampling in (Sampling(), Sampling(temperature=0.7, top_k=9)):
        step = draw(model, hidden, numbers(20, 1)[:, 0], sampling)
        own = model.lm_head(hidden).double().log_softmax(-1)
        drawn_from = sampling.logits(model.lm_head(hidden)).double().softmax(-1)
        at = step.tokens[:, None]
        assert torch.allclose(step.log_probs, own.gather(1, at)[:, 0], atol=1e-5)
        from_ = drawn_from.gather(1, at)[:, 0].log()
        assert torch.allclose(step.sampling_log_probs, from_, atol=1e-5)
        assert torch.allclose(step.entropies, torch.special.entr(drawn_from).sum(-1), atol=1e-5)


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

    monkeypatch.setattr("looking_glass.decoding.draw_sentences", remember)
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


def test_a_sentence_is_the_same_whatever_their_number() -> None:
    few, many = numbers(3, 5), numbers(300, 5)
    assert torch.equal(few, many[:3])
