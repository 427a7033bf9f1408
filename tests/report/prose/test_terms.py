"""Each word is told once, by a name that an address can hold."""

from __future__ import annotations

import re

from looking_glass.report.prose.terms import TERMS


def test_words_are_in_the_order_of_their_titles_and_differ() -> None:
    titles = [term.title.casefold() for term in TERMS]
    assert titles == sorted(set(titles))
    names = [term.name for term in TERMS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z-]+", name) for name in names)


def test_every_form_is_a_pattern_that_takes_no_part_of_its_own() -> None:
    assert {re.compile(term.forms).groups for term in TERMS} == {0}
    assert all(term.told.endswith(".") for term in TERMS)
