"""Kneser–Ney against a case worked by hand, and what every distribution must be."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.baselines import kneser_ney
from looking_glass.baselines.kneser_ney import KneserNey, baseline_losses, trigram_loss_at
from looking_glass.text import sample
from looking_glass.text.corpus import Corpus

V = 4
TEXT = [0, 1, 0, 2, 1, 0, 1]

# By hand. Bigrams: 01 twice, 10 twice, 02 once, 21 once; two once, two twice: D2 = 2/(2+4) = 1/3.
# A token's lower count is the number of different tokens before it: 1 follows {0, 2}, 0 follows
# {1}, 2 follows {0}; two of one, one of two: D1 = 2/(2+2) = 1/2. Four bigram types in all, three
# of the tokens, so the uniform 1/4 gets weight 3 · 1/2 / 4 = 3/8, that is 3/32 a token:
UNIGRAM = [Fraction(n, 32) for n in (4 + 3, 12 + 3, 4 + 3, 3)]
# After 0 (three times, two successors) the unigram gets weight 2 · 1/3 / 3 = 2/9, and
# 1 keeps (2 - 1/3)/3 = 5/9, 2 keeps (1 - 1/3)/3 = 2/9:
AFTER_0 = [
    Fraction(2, 9) * UNIGRAM[0],
    Fraction(5, 9) + Fraction(2, 9) * UNIGRAM[1],
    Fraction(2, 9) + Fraction(2, 9) * UNIGRAM[2],
    Fraction(2, 9) * UNIGRAM[3],
]
# After 2 (once, one successor) the weight is 1/3, and 1 keeps (1 - 1/3)/1:
AFTER_2 = [p / 3 + (Fraction(2, 3) if token == 1 else 0) for token, p in enumerate(UNIGRAM)]
# 3 is new: after it the unigram is all there is.


@pytest.mark.parametrize(
    ("context", "expected"),
    [([], UNIGRAM), ([0], AFTER_0), ([2], AFTER_2), ([3], UNIGRAM), ([1, 2, 0], AFTER_0)],
)
def test_a_bigram_model_agrees_with_one_worked_by_hand(
    context: list[int], expected: list[Fraction]
) -> None:
    model = KneserNey(TEXT, order=2, vocab_size=V)
    assert sum(expected) == 1
    for token in range(V):
        assert model.prob(context, token) == pytest.approx(float(expected[token]), rel=1e-12)


def test_a_unigram_model_counts_occurrences_not_contexts() -> None:
    # 0 three times, 1 three times, 2 once: one of one, none of two, so D = 1/(1+0) = 1 and the
    # uniform 1/4 has weight 3/7: p(0) = 2/7 + 3/28, p(2) = 0 + 3/28.
    model = KneserNey(TEXT, order=1, vocab_size=V)
    found = [model.prob([], token) for token in range(V)]
    assert found == pytest.approx([11 / 28, 11 / 28, 3 / 28, 3 / 28])
    assert model.prob([0, 1], 2) == found[2]


def test_the_loss_is_minus_the_mean_log_of_the_hand_worked_probabilities() -> None:
    # Scored: 1 after 0, 2 after 1 (1: twice, always 0 after it, so 1/3 · 1/2 of the unigram), 3.
    after_1 = Fraction(1, 6) * UNIGRAM[2]
    expected = -sum(math.log(p) for p in (AFTER_0[1], after_1, AFTER_2[3])) / 3
    model = KneserNey(TEXT, order=2, vocab_size=V)
    assert model.mean_loss([0, 1, 2, 3]) == pytest.approx(expected)


def test_a_frequent_token_with_one_predecessor_is_improbable_elsewhere() -> None:
    # " Francisco" (1) always follows " San" (0); 2 and 3 come seldom, but after many others.
    text = [0, 1, 2, 0, 1, 3, 0, 1, 4, 2, 5, 3, 2, 0, 1, 0, 1, 3, 2]
    model = KneserNey(text, order=2, vocab_size=8)
    assert text.count(1) > text.count(2)
    assert model.prob([7], 1) < model.prob([7], 2)
    assert model.prob([0], 1) > 0.5


texts = st.lists(st.integers(0, 5), max_size=40)
contexts = st.lists(st.integers(0, 6), max_size=4)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(text=texts, context=contexts, order=st.integers(1, 4))
def test_probabilities_are_positive_and_sum_to_one(
    text: list[int], context: list[int], order: int
) -> None:
    model = KneserNey(text, order=order, vocab_size=7)
    probs = [model.prob(context, token) for token in range(7)]
    assert min(probs) > 0
    assert math.fsum(probs) == pytest.approx(1)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_text_in_which_nothing_came_once_leaves_something_for_the_new(order: int) -> None:
    model = KneserNey([0, 1, 2] * 10, order=order, vocab_size=5)
    assert math.isfinite(model.mean_loss([0, 1, 4, 2]))


def test_a_longer_memory_predicts_what_needs_it() -> None:
    # What follows 1 depends on the token before it: a trigram knows it, a bigram cannot.
    rng = np.random.default_rng(0)
    text = [t for first in rng.integers(0, 2, 200) for t in (int(first) * 2, 1, int(first) + 3)]
    losses = [KneserNey(text, order=n, vocab_size=5).mean_loss(text) for n in (1, 2, 3)]
    assert losses[0] > losses[1] > losses[2]
    # Left for the trigram: the fair coin, one in three tokens.
    assert losses[2] == pytest.approx(math.log(2) / 3, rel=0.1)


def test_tokens_of_numpy_are_the_same_tokens() -> None:
    array = np.array(TEXT, dtype=np.uint16)
    of_scalars = KneserNey(list(array), order=2, vocab_size=V)
    assert of_scalars.prob(list(array[:1]), 1) == pytest.approx(float(AFTER_0[1]))
    assert of_scalars.prob([0], 1) == pytest.approx(float(AFTER_0[1]))


def test_baselines_are_counted_on_the_training_text_and_scored_on_the_other() -> None:
    corpus = Corpus(
        train=np.array(TEXT, dtype=np.uint16),
        val=np.array([0, 1, 2, 3], dtype=np.uint16),
        vocab_size=V,
        val_bytes=4,
    )
    found = baseline_losses(corpus, corpus.val)
    assert list(found) == ["unigram", "bigram", "trigram"]
    for order, loss in enumerate(found.values(), start=1):
        assert loss == KneserNey(TEXT, order=order, vocab_size=V).mean_loss([0, 1, 2, 3])


class Slow:
    """The same by tuples and dictionaries, a gram at a time: nothing in it is packed or sorted."""

    def __init__(self, runs: list[list[int]], order: int) -> None:
        highest = Counter(
            tuple(run[i : i + order]) for run in runs for i in range(len(run) - order + 1)
        )
        self.tables = [highest]
        for _ in range(order - 1):
            self.tables.insert(0, Counter(gram[1:] for gram in self.tables[0]))

    def prob(self, context: list[int], token: int, vocab_size: int) -> float:
        p = 1 / vocab_size
        for n, table in enumerate(self.tables[: len(context) + 1]):
            seen = Counter(table.values())
            discount = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5
            history = tuple(context[len(context) - n :])
            after = {gram[-1]: c for gram, c in table.items() if gram[:-1] == history}
            if after:
                kept = max(after.get(token, 0) - discount, 0.0)
                p = (kept + discount * len(after) * p) / sum(after.values())
        return p


@settings(max_examples=100, derandomize=True, deadline=None)
@given(runs=st.lists(texts, min_size=1, max_size=3), held_out=texts, order=st.integers(1, 4))
def test_sorted_integers_say_what_counted_tuples_say(
    runs: list[list[int]], held_out: list[int], order: int
) -> None:
    slow = Slow(runs, order)
    fast = KneserNey(
        tuple(np.array(run, dtype=np.uint16) for run in runs), order=order, vocab_size=7
    )
    text = np.array([*held_out, 6], dtype=np.uint16)
    found = fast.losses_at(text, range(len(text)))
    for place, loss in enumerate(found):
        p = slow.prob(text[:place].tolist(), int(text[place]), 7)
        assert loss == pytest.approx(-math.log(p), rel=1e-12)
    if len(text) > 1:
        assert fast.mean_loss(text) == pytest.approx(sum(found[1:]) / len(found[1:]), rel=1e-12)


def test_the_largest_tokens_of_gpt_2_are_told_apart() -> None:
    text = np.array([50256, 50255, 50256, 50255, 50254] * 3, dtype=np.uint16)
    model = KneserNey(text, order=3, vocab_size=50257)
    slow = Slow([text.tolist()], 3)
    for context, token in (([50256, 50255], 50256), ([50255, 50256], 50254), ([0, 50255], 50254)):
        assert model.prob(context, token) == pytest.approx(
            slow.prob(context, token, 50257), rel=1e-12
        )


def test_a_long_text_is_counted_and_scored_on_its_samples() -> None:
    rng = np.random.default_rng(2)
    train, val = (rng.integers(0, V, n).astype(np.uint16) for n in (300, 90))
    corpus = Corpus(train=train, val=val, vocab_size=V, val_bytes=90)
    with mock.patch.multiple(kneser_ney, COUNTED=60), mock.patch.object(sample, "RUN", 20):
        found = baseline_losses(corpus, corpus.val)
        at = trigram_loss_at(corpus, [5, 80])
    runs = tuple(train[start : start + 20] for start in (40, 140, 240))
    model = KneserNey(runs, order=3, vocab_size=V)
    assert (
        found["trigram"]
        == model.mean_loss(val)
        != KneserNey(train, order=3, vocab_size=V).mean_loss(val)
    )
    assert at == sum(model.losses_at(val, [5, 80])) / 2


def test_without_any_text_all_tokens_are_equally_probable() -> None:
    assert KneserNey([], order=3, vocab_size=V).prob([0, 1], 2) == 1 / V


def test_what_cannot_be_counted_or_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        KneserNey(TEXT, order=0, vocab_size=V)
    with pytest.raises(ValueError, match=r"grams of 5 tokens .* 50257 have not: take a lower"):
        KneserNey(TEXT, order=5, vocab_size=50257)
    with pytest.raises(ValueError, match="at least 2 tokens are required to score one, got 1"):
        KneserNey(TEXT, order=2, vocab_size=V).mean_loss([0])
