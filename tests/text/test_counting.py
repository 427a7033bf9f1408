"""Counts of tokens and of neighbours, whatever the pieces that a text is read in."""

from __future__ import annotations

import itertools
from collections import Counter
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from looking_glass.text import counting
from looking_glass.text.counting import count_tokens, distinct_neighbours, pieces

V = 6
texts = st.lists(st.integers(0, V - 1), max_size=40)


def text_of(tokens: list[int]) -> np.ndarray:
    return np.array(tokens, dtype=np.uint16)


@given(texts, st.integers(1, 50))
def test_counts_are_those_of_python(tokens: list[int], piece: int) -> None:
    with mock.patch.object(counting, "PIECE", piece):
        counts = count_tokens(text_of(tokens), V)
        followers, before = distinct_neighbours(text_of(tokens), V)
    pairs = set(itertools.pairwise(tokens))
    assert counts.tolist() == [Counter(tokens)[token] for token in range(V)]
    assert followers.tolist() == [sum(a == token for a, _ in pairs) for token in range(V)]
    assert before.tolist() == [sum(b == token for _, b in pairs) for token in range(V)]


def test_the_largest_tokens_are_told_apart() -> None:
    followers, before = distinct_neighbours(text_of([65_535, 0, 65_535, 65_535]), 2**16)
    assert followers[[0, 65_535]].tolist() == [1, 2]
    assert before[[0, 65_535]].tolist() == [1, 2]
    assert count_tokens(text_of([65_535, 0, 65_535]), 2**16)[-1] == 2


def test_pieces_cover_the_text_and_overlap_as_asked() -> None:
    with mock.patch.object(counting, "PIECE", 3):
        found = [piece.tolist() for piece in pieces(text_of([0, 1, 2, 3, 4, 5, 0]), overlap=2)]
    assert found == [[0, 1, 2, 3, 4], [3, 4, 5, 0], [0]]
