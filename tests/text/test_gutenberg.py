"""What Project Gutenberg wrote around its books comes off, whatever the decade."""

from __future__ import annotations

import pytest

from looking_glass.text import gutenberg
from looking_glass.text.gutenberg import books_between, find_marks

STARTS = [
    "*** START OF THE PROJECT GUTENBERG EBOOK 11 ***",
    "***START OF THIS PROJECT GUTENBERG EBOOK ALICE***",
    "  *** START OF THE PROJECT GUTENBERG ETEXT ALICE ***",
    "*** START OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK X ***",
    "*** START OF THE PROJECT GUTENBERG EBOOK ALICE'S ADVENTURES IN\nWONDERLAND ***",
    "*** START OF THE PROJECT\nGUTENBERG EBOOK A VERY\nLONG TITLE ***",
    "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
    "*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*",
    "*** ANFANG DES PROJEKT GUTENBERG EBOOKS FAUST ***",
]
ENDS = [
    "*** END OF THE PROJECT GUTENBERG EBOOK 11 ***",
    "***END OF THIS PROJECT GUTENBERG EBOOK X",
    "   *** END OF THE PROJECT GUTENBERG ETEXT X ***",
    "*** END OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK X ***",
    "*** END OF THE PROJECT GUTENBERG EBOOK ALICE'S ADVENTURES IN\nWONDERLAND ***",
    "End of Project Gutenberg's Alice",
    "End of the Project Gutenberg EBook of Alice",
    "End of The Project Gutenberg Etext of Alice",
    "Ende dieses Projekt Gutenberg Etextes Faust",
    "Ende dieses Etextes Faust",
    "Fin de Project Gutenberg Etext",
    "**This is a COPYRIGHTED Project Gutenberg Etext, Details Above**",
]


def books(text: str) -> list[str]:
    marks = list(find_marks(text, "", 0))
    return [text[start:stop].strip("\n") for start, stop in books_between(marks, len(text))]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("end", ENDS)
def test_every_editions_marks_come_off(start: str, end: str) -> None:
    text = f"Licence\n{start}\n\n  Alice.\nThe end of Project Gutenberg\n\n{end}\nLicence\n"
    assert books(text) == ["  Alice.\nThe end of Project Gutenberg"]
    ends = [place + 1 for place, sign in enumerate(text) if sign == "\n"]
    for cut in ends:  # where a block may end
        there = [*find_marks(text[:cut], text[cut:], 0), *find_marks(text[cut:], "", cut)]
        assert there == list(find_marks(text, "", 0))


@pytest.mark.parametrize(
    "text",
    [
        "A START OF\nthe end",
        "*** Project Gutenberg ***",
        "He read of Project Gutenberg\nthe end of",
    ],
)
def test_text_that_gutenberg_did_not_wrap_stays(text: str) -> None:
    assert books(text) == [text]


def test_several_books_in_one_file_are_all_kept() -> None:
    one = f"Header\n{STARTS[0]}\nfirst\n{ENDS[5]}\n\n{ENDS[0]}\nLicence\n"
    assert books(one + one.replace("first", "second")) == ["first", "second"]


def test_a_header_between_a_start_and_the_small_print_is_none_of_the_book() -> None:
    text = f"{STARTS[0]}\nNotice, and more of it\n{STARTS[6]}\nAlice\n{ENDS[5]}\n"
    assert books(text) == ["Alice"]


def test_a_book_whose_end_is_not_marked_is_kept_before_the_next() -> None:
    assert books(f"{STARTS[0]}\nfirst\n{STARTS[1]}\nsecond\n{ENDS[0]}\n") == ["first", "second"]


def test_an_end_mark_in_the_middle_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gutenberg, "LONGEST_NOTICE", 20)
    before, after = "one " * 20, "two " * 20
    assert books(f"{before}\n{ENDS[5]}\n{after}") == [before, after]
    assert books(f"{before}\n{ENDS[5]}\nlicence") == [before]
