"""What of one text stands in another: by hand, and as trying everything finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from looking_glass.text import counting, overlap
from looking_glass.text.corpus import Tokens
from looking_glass.text.overlap import copied, match_lengths, provenance, run_lengths

# The fixture only sets a constant, the same for every example.
same = [HealthCheck.function_scoped_fixture]
examples = settings(max_examples=150, deadline=None, suppress_health_check=same)
texts = st.lists(st.integers(0, 2), max_size=12)


def text_of(tokens: list[int]) -> Tokens:
    return np.array(tokens, dtype=np.uint16)


TEXT = text_of([1, 2, 3, 4, 5, 6])


def occurs(piece: list[int], text: list[int]) -> bool:
    return any(text[i : i + len(piece)] == piece for i in range(len(text) - len(piece) + 1))


def pieces(sample: list[int]) -> list[tuple[int, int]]:
    """Return where each piece of a sample begins and ends, those of no token left out."""
    n = len(sample)
    return [(start, stop) for start in range(n) for stop in range(start + 1, n + 1)]


def test_matches_by_hand() -> None:
    assert match_lengths([[1, 2, 9]], text_of([5, 1, 2, 3])) == [[2, 1, 0]]
    assert match_lengths([[9, 9]], text_of([1, 9])) == [[1, 1]], "a match ends where the text does"
    assert match_lengths([[1]], text_of([])) == [[0]]
    assert match_lengths([[]], TEXT) == [[]]
    assert match_lengths([], TEXT) == []
    assert match_lengths([[1, 2], [], [2, 3]], TEXT) == [[2, 1], [], [2, 1]]


def test_runs_by_hand() -> None:
    text = text_of([1, 2, 3, 4, 5, 1, 2, 9])
    assert run_lengths([[1, 2, 3, 7, 1, 2, 9, 2]], text) == [[3, 3, 3, 0, 3, 3, 3, 1]]
    assert run_lengths([[5, 1, 2, 3]], text) == [[3, 3, 3, 3]], "two runs may share tokens"
    assert run_lengths([[], [9, 9]], text) == [[], [1, 1]]


@pytest.fixture(params=[2**22, 1, 3, 7], ids="a piece of {}".format)
def piece(request: pytest.FixtureRequest) -> Iterator[None]:
    """The text is read so many tokens at a time: what is found must not depend on it."""
    with (
        mock.patch.object(counting, "PIECE", request.param),
        mock.patch.object(overlap, "PIECE", request.param),
    ):
        yield


@pytest.mark.usefixtures("piece")
@examples
@given(st.lists(texts, max_size=3), texts)
def test_matches_and_runs_are_those_that_trying_every_piece_finds(
    samples: list[list[int]], text: list[int]
) -> None:
    begun, part_of = [], []
    for tokens in samples:
        found = [(a, b) for a, b in pieces(tokens) if occurs(tokens[a:b], text)]
        n = range(len(tokens))
        begun.append([max((b - a for a, b in found if a == i), default=0) for i in n])
        part_of.append([max((b - a for a, b in found if a <= i < b), default=0) for i in n])
    assert match_lengths(samples, text_of(text)) == begun
    assert run_lengths(samples, text_of(text)) == part_of


def test_the_longest_run_lies_in_one_sample_and_in_the_text_as_it_stands() -> None:
    assert copied([[9, 2, 3, 4, 9], [5, 6]], TEXT, 2).longest_run == 3
    assert copied([[6, 5, 4]], TEXT, 2).longest_run == 1, "backwards it does not stand there"
    assert copied([[1, 2, 4, 5]], TEXT, 2).longest_run == 2, "nor with a token left out"
    assert copied([TEXT.tolist(), [9]], TEXT, 2).longest_run == 6
    assert copied([[9], []], TEXT, 2).longest_run == 0
    assert copied([], TEXT, 2).longest_run == 0


def test_the_share_counts_what_was_sampled_as_often_as_it_was() -> None:
    assert copied([[1, 2, 9], [1, 2]], TEXT, 2).ngram_share == pytest.approx(2 / 3)
    assert copied([[1, 2, 3]], TEXT, 3).ngram_share == 1
    assert copied([[1, 2]], TEXT, 3).ngram_share == 0, "no 3-gram at all"


@examples
@given(st.lists(texts, max_size=4), texts, st.integers(1, 8))
def test_what_is_copied_is_what_trying_every_piece_finds(
    samples: list[list[int]], text: list[int], n: int
) -> None:
    everything = [sample[a:b] for sample in samples for a, b in pieces(sample)]
    grams = [piece for piece in everything if len(piece) == n]
    found = copied(samples, text_of(text), n)
    longest = max((len(piece) for piece in everything if occurs(piece, text)), default=0)
    assert found.longest_run == longest
    share = sum(occurs(gram, text) for gram in grams) / max(1, len(grams))
    assert found.ngram_share == pytest.approx(share)


def test_provenance_is_the_longest_end_of_the_context_in_the_text() -> None:
    text = text_of([1, 2, 3, 4, 9, 2, 3, 5, 7, 3, 5])
    found = provenance([8, 2, 3], text)
    assert found.length == 2
    assert found.counts == {4: 1, 5: 1}
    assert provenance([1, 2, 3], text).counts == {4: 1}
    assert list(provenance([3], text).counts.items()) == [(5, 2), (4, 1)], "most frequent first"
    nowhere = provenance([66], text)
    assert nowhere.length == 0
    assert sum(nowhere.counts.values()) == len(text) - 1


def test_provenance_never_reads_over_the_start() -> None:
    text = text_of([5, 5, 5])
    assert provenance([5, 5, 5, 5], text).length == 2


@pytest.mark.usefixtures("piece")
@examples
@given(texts, st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_provenance_is_what_trying_every_end_finds(context: list[int], text: list[int]) -> None:
    found = provenance(context, text_of(text))
    for length in range(len(context), -1, -1):
        end = context[len(context) - length :]
        # Where the end is of no token at all, what follows it is whatever follows some token.
        first = 0 if length else 1
        places = [i for i in range(first, len(text) - length) if text[i : i + length] == end]
        if places or not length:
            break
    assert found.length == length
    assert found.counts == Counter(text[i + length] for i in places)
    assert list(found.counts.values()) == sorted(found.counts.values(), reverse=True)
