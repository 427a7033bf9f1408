"""Log-probabilities add up, token by token, word by word and window by window."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import GPT2LMHeadModel

from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.likelihood.scores import (
    Scores,
    joined,
    naive_product,
    score,
    total,
    word_starters,
    word_surprisals,
)
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.text.words import Word
from tests.helpers.models import make_model

BEGINS = torch.arange(97) % 3 == 0


def look(model: GPT, context: list[int], tokens: list[int], stride: int = 8) -> Scores:
    return score(model, context, tokens, stride=stride, begins_word=BEGINS)


def test_the_sum_is_minus_n_times_the_cross_entropy() -> None:
    model = make_model()
    ids = torch.arange(16) * 5
    found = look(model, ids[:3].tolist(), ids[3:].tolist())
    logits = model(ids[None, :-1])[0, 2:]
    expected = -13 * F.cross_entropy(logits, ids[3:])
    assert found.log_probs.sum().item() == pytest.approx(expected.item(), abs=1e-5)
    assert (found.log_probs <= 0).all()
    by_sorting = [
        row.argsort(descending=True).tolist().index(token)
        for row, token in zip(logits, ids[3:].tolist(), strict=True)
    ]
    assert (found.ranks - 1).tolist() == by_sorting
    distribution = logits.double().softmax(-1)
    assert torch.allclose(found.entropies, torch.special.entr(distribution).sum(-1), atol=1e-5)
    assert torch.allclose(found.largest, distribution.amax(-1).log(), atol=1e-5)
    assert torch.allclose(found.word_starts[:13], distribution[:, BEGINS].sum(-1).log(), atol=1e-5)


def test_scores_of_several_texts_stand_one_after_the_other() -> None:
    model = make_model()
    one, two = look(model, [1], [2, 3, 4]), look(model, [5, 6], [7, 8])
    both = joined([one, two])
    for name in ("log_probs", "ranks", "entropies", "largest"):
        assert torch.equal(getattr(both, name)[:3], getattr(one, name)), name
        assert torch.equal(getattr(both, name)[3:], getattr(two, name)), name
    assert len(both.word_starts) == 6
    assert torch.equal(both.word_starts[3:], two.word_starts)
    alone = joined([one])
    assert torch.equal(alone.word_starts, one.word_starts)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 70), st.integers(1, 16), st.integers(0, 99))
def test_each_token_is_given_what_its_window_holds(
    n_context: int, n_tokens: int, stride: int, seed: int
) -> None:
    torch.manual_seed(7)
    model = make_model()  # a block of 16
    ids = torch.randint(97, (n_context + n_tokens,), generator=torch.Generator().manual_seed(seed))
    found = look(model, ids[:n_context].tolist(), ids[n_context:].tolist(), stride)
    assert len(found.word_starts) == n_tokens + 1
    for place in range(n_context, len(ids), 7):
        # The last input stands at place - 1: in the first window, or in the first that reaches it.
        start = max(0, math.ceil((place - 16) / stride)) * stride
        expected = model(ids[None, start:place])[0, -1].log_softmax(-1)[ids[place]]
        assert float(found.log_probs[place - n_context]) == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("stride", [1, 5, 8, 16])
def test_a_token_out_of_the_first_window_has_so_much_context_or_more(stride: int) -> None:
    model = make_model()  # a block of 16
    ids = (torch.arange(60) * 7 % 97).tolist()
    before = look(model, ids[:1], ids[1:], stride).log_probs
    for place in range(16, 60):
        changed = list(ids)
        changed[place - (16 - stride) - 1] += 1
        after = look(model, changed[:1], changed[1:], stride).log_probs
        assert after[place - 1] != before[place - 1], "the furthest token is seen"


def test_ten_thousand_tokens_are_scored_and_none_is_refused() -> None:
    model = make_model()
    tokens = (torch.arange(10_000) * 7 % 97).tolist()
    found = look(model, [1], tokens)
    assert found.log_probs.shape == (10_000,)
    assert found.log_probs.isfinite().all()
    assert look(model, [1], [2]).log_probs.shape == (1,)
    for context, scored in (([], [1]), ([1], [])):
        with pytest.raises(ValueError, match="a token to score and one of context are required"):
            look(model, context, scored)


@pytest.fixture(scope="module")
def real() -> GPT:
    """A model with the real vocabulary."""
    torch.manual_seed(0)
    return make_model(vocab_size=50_257, block_size=64)


SENTENCE = " The “cat” sat;  on the mat 🐿️, didn't it?"


def test_hugging_faces_model_gives_the_same_numbers(
    real: GPT, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, real.state_dict(), real.config)
    other = GPT2LMHeadModel.from_pretrained(tmp_path)
    context, tokens = tokenizer.encode_prompt("\n\n"), tokenizer.encode(SENTENCE)
    found = score(real, context, tokens, stride=8, begins_word=torch.zeros(50_257))
    ids = torch.tensor([context + tokens])
    with torch.no_grad():
        logits = other(ids).logits[0, len(context) - 1 : -1]
    log_probs = logits.double().log_softmax(-1)
    expected = log_probs.gather(-1, torch.tensor(tokens)[:, None])[:, 0]
    assert torch.allclose(found.log_probs, expected, atol=1e-4)
    assert float(found.log_probs.sum()) == pytest.approx(float(expected.sum()), abs=1e-3)


def test_minicons_gives_the_same_numbers(
    real: GPT, tokenizer: Tokenizer, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    scorer = pytest.importorskip("minicons.scorer")
    save_checkpoint(tmp_path, real.state_dict(), real.config, vocab=tables[0], merges=tables[1])
    other = scorer.IncrementalLMScorer(str(tmp_path), "cpu")
    text = "The cat sat on the mat, didn't it?"
    tokens = tokenizer.encode(text)
    found = score(real, tokens[:1], tokens[1:], stride=8, begins_word=torch.zeros(50_257))
    (pairs,) = other.token_score(text)
    expected = [value for _, value in pairs][-len(tokens) + 1 :]
    assert found.log_probs.tolist() == pytest.approx(expected, abs=1e-3)


def test_the_words_correction_by_hand() -> None:
    # Tokens "a" "b" | "c": P(word begins) before and after is 1/2, 1/4, 1/5, 1/8.
    scores = Scores(
        log_probs=torch.tensor([0.5, 0.5, 0.25]).log(),
        ranks=torch.ones(3),
        entropies=torch.ones(3),
        largest=torch.ones(3),
        word_starts=torch.tensor([1 / 2, 1 / 4, 1 / 5, 1 / 8]).log(),
    )
    words = [Word("ab", 0, 2), Word("c", 2, 3)]
    found = word_surprisals(scores, words, after_space=False)
    assert found.plain == pytest.approx([math.log(4), math.log(4)])
    # p(ab) P(ends) / P(begins) = 1/4 · 1/5 / (1/2); p(c) = 1/4 · 1/8 / (1/5).
    assert found.corrected == pytest.approx([math.log(10), math.log(6.4)])
    found = word_surprisals(scores, words, after_space=True)
    assert found.corrected == pytest.approx([math.log(20), math.log(6.4)])


def test_corrected_probabilities_of_all_words_sum_to_one() -> None:
    # A language of words over two letters: tokens " x" and " y" begin them, "x" and "y" go on.
    chain = torch.rand(5, 4, generator=torch.Generator().manual_seed(3)) + 0.3
    chain = (chain / chain.sum(dim=1, keepdim=True)).double()  # by the token before; 4: the context
    begins = chain[:, :2].sum(dim=1)  # that the word is over after each token
    weight = torch.zeros(4, dtype=torch.float64)  # of all words so far, by their last token
    weight[:2] = chain[4, :2]
    plain = corrected = 0.0
    for _ in range(200):  # letters
        plain += float(weight.sum())
        corrected += float(weight @ begins[:4] / begins[4])
        longer = weight @ chain[:4]
        weight = torch.cat([torch.zeros(2, dtype=torch.float64), longer[2:]])
    assert corrected == pytest.approx(1, abs=1e-6)
    assert abs(plain - 1) > 0.05, "the plain ones are of beginnings: no distribution over words"


def test_words_begin_with_white_space_or_where_the_text_ends(tokenizer: Tokenizer) -> None:
    starts = word_starters(tokenizer.token_bytes(), tokenizer.end_of_text)
    for text, begins in ((" cat", True), ("\n", True), ("cat", False), ("'s", False)):
        assert bool(starts[tokenizer.encode(text)[0]]) is begins
    assert bool(starts[50_256])


def test_units_of_one_total() -> None:
    result = total(torch.tensor([math.log(1 / 2), math.log(1 / 8)]), n_bytes=8)
    assert result.bits == pytest.approx(-4)
    assert result.nats == pytest.approx(-4 * math.log(2))
    assert result.log10 == pytest.approx(math.log10(1 / 16))
    assert result.nats_per_token == pytest.approx(-2 * math.log(2))
    assert result.perplexity == pytest.approx(4)
    assert result.bits_per_byte == pytest.approx(0.5)


def test_the_naive_product_underflows_where_float32_ends() -> None:
    # The smallest number that float32 can hold is 2^-149; what is below half of it is 0.
    product, first_zero = naive_product(torch.full((152,), math.log(0.5)))
    assert product == 0.0
    assert first_zero == 150
    assert naive_product(torch.full((149,), math.log(0.5))) == (2.0**-149, None)
    # 10^-9 five times is 10^-45, nearer to 2^-149 (1.4 · 10^-45) than to 0; once more it is 0.
    assert naive_product(torch.full((8,), math.log(1e-9))) == (0.0, 6)
    log10 = total(torch.full((8,), math.log(1e-9)), n_bytes=8).log10
    assert log10 == pytest.approx(-72, rel=1e-6)
    assert naive_product(torch.tensor([math.log(0.5)] * 3)) == (0.125, None)
