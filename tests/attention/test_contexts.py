"""The contexts that explanations are judged over: whole words, apart from each other, by seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.attention.choices import choose
from looking_glass.attention.contexts import Case, draw_cases, seen_by
from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Tokens
from looking_glass.text.reader import Reader
from tests.helpers.cases import COMPUTE
from tests.helpers.models import make_model

# Of many tokens each, with signs between them; every one is there once.
WORDS = [f"w{i}ord," if i % 3 else f"“Hatter{i}”" for i in range(40)]


@pytest.fixture(scope="module")
def text(tokenizer: Reader) -> Tokens:
    """Forty words, and half a word at each end."""
    return np.array(tokenizer.encode(f"lf {' '.join(WORDS)} ha"), dtype=np.uint16)


def draw(
    model: GPT, tokenizer: Reader, text: Tokens, n: int = 100, n_words: int = 3, seed: int = 1
) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    return draw_cases(
        model, tokenizer, text, n=n, n_words=n_words, generator=generator, compute=COMPUTE
    )


def texts(cases: list[Case], tokenizer: Reader) -> list[str]:
    return [tokenizer.decode(case.choices.contexts[0].tolist()) for case in cases]


@pytest.fixture(scope="module")
def long() -> GPT:
    with torch.random.fork_rng():
        return make_model(vocab_size=50_257, block_size=256)


def test_contexts_are_whole_words_as_many_as_asked_for(
    long: GPT, tokenizer: Reader, text: Tokens
) -> None:
    for n_words in (2, 3, 7):
        cases = draw(long, tokenizer, text, n_words=n_words)
        assert len(cases) == 40 // n_words
        for case, told in zip(cases, texts(cases, tokenizer), strict=True):
            assert len(case.words) == n_words
            context = case.choices.contexts[0].tolist()
            pieces = [tokenizer.decode(context[a:b]).strip() for a, b in case.words]
            assert pieces == told.split()
            first = WORDS.index(pieces[0])
            assert pieces == WORDS[first : first + n_words], "as they stand in the text"
            assert case.words[0][0] == 0
            assert [b for _, b in case.words] == [*(a for a, _ in case.words[1:]), case.length]


def test_a_piece_that_the_block_cannot_hold_is_left_out(
    long: GPT, tokenizer: Reader, text: Tokens
) -> None:
    lengths = sorted(case.length for case in draw(long, tokenizer, text, n_words=2))
    short = make_model(vocab_size=50_257, block_size=lengths[-1] - 1)
    held = [length for length in lengths if length < lengths[-1]]
    assert 2 <= len(held) < len(lengths)
    assert sorted(case.length for case in draw(short, tokenizer, text, n_words=2)) == held


def test_no_two_contexts_share_a_token(long: GPT, tokenizer: Reader, text: Tokens) -> None:
    cases = draw(long, tokenizer, text)
    used = [word for told in texts(cases, tokenizer) for word in told.split()]
    assert len(used) == len(set(used)) == 39
    assert "lf" not in used, "it may be cut"
    assert "ha" not in used


def test_the_choice_is_the_models_after_that_context_alone(
    long: GPT, tokenizer: Reader, text: Tokens
) -> None:
    for case in draw(long, tokenizer, text, n=3):
        alone = choose(long, case.choices.contexts)
        assert torch.equal(alone.chosen, case.choices.chosen)
        torch.testing.assert_close(alone.log_probs, case.choices.log_probs)
        torch.testing.assert_close(alone.margins, case.choices.margins)
        assert torch.equal(alone.second, case.choices.second)
        for one, pattern in zip(alone.patterns, case.choices.patterns, strict=True):
            torch.testing.assert_close(one, pattern)


def test_the_seed_decides_which_and_in_what_order(
    long: GPT, tokenizer: Reader, text: Tokens
) -> None:
    first, again, other = (
        texts(draw(long, tokenizer, text, n=5, seed=seed), tokenizer) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert len(first) == 5
    in_order = sorted(first, key=lambda told: WORDS.index(told.split()[0]))
    assert first != in_order


def test_what_the_block_cannot_hold_is_left_out(tokenizer: Reader) -> None:
    text = "lf " + " ".join(["a cat", "antidisestablishmentarianism bird"] * 4) + " ha"
    tokens = np.array(tokenizer.encode(text), dtype=np.uint16)
    short = make_model(vocab_size=50_257, block_size=4)
    cases = draw(short, tokenizer, tokens, n_words=2)
    assert texts(cases, tokenizer) == [" a cat"] * 4
    with pytest.raises(InputError, match=r"a block of 4 tokens holds.* 16 words has 0"):
        draw(short, tokenizer, tokens, n_words=8)


@pytest.mark.parametrize("n_words", [21, 40])
def test_a_short_text_is_refused(long: GPT, tokenizer: Reader, text: Tokens, n_words: int) -> None:
    with pytest.raises(InputError, match=r"^attention\.context_words: at least 2 .*fewer") as told:
        draw(long, tokenizer, text, n_words=n_words)
    assert f"{n_words} whole words" in str(told.value)
    assert "40 words" in str(told.value)
    for few in (text[:0], text[:1], text[:3]):
        with pytest.raises(InputError, match="of 0 words has 0"):
            draw(long, tokenizer, few, n_words=2)


def test_another_model_is_asked_about_the_same_choices(
    long: GPT, tokenizer: Reader, text: Tokens
) -> None:
    cases = draw(long, tokenizer, text, n=4)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        other = make_model(vocab_size=50_257, block_size=256)
    seen = seen_by(other, cases, COMPUTE)
    for ours, theirs in zip(cases, seen, strict=True):
        assert ours.words == theirs.words
        assert torch.equal(ours.choices.contexts, theirs.choices.contexts)
        assert torch.equal(ours.choices.chosen, theirs.choices.chosen)
        log_prob = other(ours.choices.contexts)[0, -1].log_softmax(-1)[ours.choices.chosen]
        assert torch.allclose(theirs.choices.log_probs, log_prob, atol=1e-5)
