"""What is copied from a text: hand-worked cases, and a search that tries everything."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from looking_glass.text.memorisation import longest_verbatim_run, ngrams, verbatim_share
from looking_glass.gpt.generation import sample_tokens
from looking_glass.training.run import train
from tests.conftest import make_model
from tests.test_training import song, start

TEXT = [1, 2, 3, 4, 5, 6]
tokens = st.lists(st.integers(0, 2), max_size=12)


def occurs(run: list[int], text: list[int]) -> bool:
    return any(text[i : i + len(run)] == run for i in range(len(text) - len(run) + 1))


def runs(sample: list[int]) -> list[list[int]]:
    n = len(sample)
    return [sample[i:j] for i, j in product(range(n), range(n + 1)) if i < j]


def test_the_longest_run_lies_in_one_sample_and_in_the_text_as_it_stands() -> None:
    assert longest_verbatim_run([[9, 2, 3, 4, 9], [5, 6]], TEXT) == 3
    assert longest_verbatim_run([[6, 5, 4]], TEXT) == 1, "backwards it does not stand there"
    assert longest_verbatim_run([[1, 2, 4, 5]], TEXT) == 2, "nor with a token left out"
    assert longest_verbatim_run([TEXT, [9]], TEXT) == 6
    assert longest_verbatim_run([[9], []], TEXT) == longest_verbatim_run([], TEXT) == 0


def test_the_share_counts_what_was_sampled_as_often_as_it_was() -> None:
    assert verbatim_share([[1, 2, 9], [1, 2]], TEXT, 2) == pytest.approx(2 / 3)
    assert verbatim_share([[1, 2, 3]], TEXT, 3) == 1
    assert verbatim_share([[1, 2]], TEXT, 3) == 0, "no 3-gram at all"
    assert list(ngrams([1, 2, 3], 2)) == [(1, 2), (2, 3)]


@given(st.lists(tokens, max_size=4), tokens)
def test_the_longest_run_is_the_one_that_trying_every_run_finds(
    samples: list[list[int]], text: list[int]
) -> None:
    copied = [len(run) for sample in samples for run in runs(sample) if occurs(run, text)]
    assert longest_verbatim_run(samples, text) == max(copied, default=0)


@given(st.lists(tokens, max_size=4), tokens, st.integers(1, 8))
def test_the_share_is_the_one_that_trying_every_ngram_finds(
    samples: list[list[int]], text: list[int], n: int
) -> None:
    grams = [run for sample in samples for run in runs(sample) if len(run) == n]
    expected = sum(occurs(gram, text) for gram in grams) / max(1, len(grams))
    assert verbatim_share(samples, text, n) == pytest.approx(expected)


def test_samples_are_drawn_from_the_models_own_distribution() -> None:
    model = make_model(vocab_size=5)
    drawn = sample_tokens(model, torch.full((4000, 1), 3), 2, torch.Generator().manual_seed(0))
    assert drawn.shape == (4000, 2)
    first = model(torch.tensor([[3]]))[0, -1].softmax(-1)
    shares = torch.bincount(drawn[:, 0], minlength=5) / 4000
    torch.testing.assert_close(shares, first, atol=0.03, rtol=0)
    favourite = int(first.argmax())
    second = model(torch.tensor([[3, favourite]]))[0, -1].softmax(-1)
    after = drawn[drawn[:, 0] == favourite, 1]
    shares = torch.bincount(after, minlength=5) / len(after)
    torch.testing.assert_close(shares, second, atol=0.06, rtol=0)


def test_a_text_learned_by_heart_is_written_word_for_word() -> None:
    """The circle of seven tokens, learned and not: what the metrics are there to tell apart."""

    def written(steps: int) -> list[list[int]]:
        run = start(steps=steps, discount=0.0, keep="last", warmup_steps=0)
        train(run)
        begin = torch.tensor([[0]] * 5)
        return sample_tokens(run.finish(), begin, 8, torch.Generator().manual_seed(0)).tolist()

    text = song().train.tolist()
    assert verbatim_share(written(200), text, 8) > 0.5
    assert longest_verbatim_run(written(200), text) == 8
    assert verbatim_share(written(1), text, 8) == 0


def test_the_same_generator_draws_the_same_samples() -> None:
    model, start = make_model(), torch.tensor([[1], [2]])
    one, same, other = (
        sample_tokens(model, start, 15, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
