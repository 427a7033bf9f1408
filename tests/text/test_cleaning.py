"""From a book's file to its text: what is cut, and what is kept whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from looking_glass.pipeline.errors import InputError
from looking_glass.text import cleaning, reading
from looking_glass.text.cleaning import cleaned
from looking_glass.text.paragraphs import Joiner
from looking_glass.text.plan import plan
from tests.helpers.encoding import encode_params as params

BOOK = """\
Title: A Book
*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***

CONTENTS of it

CHAPTER I. Down
the  rabbit-hole

  and then again, in a line that is as long as prose is

    THE END is near
a last line
      THE END of it

End of Project Gutenberg's A Book
A licence.
"""
PROSE = "Alice was beginning to get very tired of sitting by her sister on the bank.\n"
CONTENTS = "CONTENTS\n\n CHAPTER I.     Down the Rabbit-Hole\n CHAPTER II.    The Pool of Tears\n"
NOTES = [
    "  CHAPTER I. Down the Rabbit-Hole ................................................ 9\n"
    "  PREFACE .............................................................. 12\n  INDEX 14\n",
    "CHAPTER I.\nDown the Rabbit-Hole\n\nCHAPTER II.\nThe Pool of Tears\n",
    CONTENTS,
]


@pytest.fixture
def clean(tmp_path: Path) -> Any:
    def text_of(text: str | bytes, **changes: Any) -> str:
        path, asked = tmp_path / "book.txt", params(**changes)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        what = plan(path, asked)
        return "".join(cleaned(path, asked, what.spans, Joiner(rule=what.rule)))

    return text_of


def test_a_book_is_cleaned_from_its_bytes_to_its_paragraphs(clean: Any) -> None:
    assert clean(b"\xef\xbb\xbf" + BOOK.replace("\n", "\r\n").encode()) == (
        "CHAPTER I. Down the rabbit-hole\n\nand then again, in a line that is as long as prose is"
        "\n\nTHE END is near a last line"
    )


def test_nulls_and_no_unwrap_keep_the_lines_and_indentation(clean: Any) -> None:
    text = clean(BOOK, unwrap=False, start_at=None, stop_before=None)
    assert text.startswith("CONTENTS of it\n\nCHAPTER I. Down\nthe  rabbit-hole\n\n  and then")
    assert text.endswith("a last line\n      THE END of it")


@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("unwrap", [True, False])
def test_where_blocks_and_pieces_are_cut_changes_nothing(
    clean: Any, monkeypatch: pytest.MonkeyPatch, block: int, unwrap: bool
) -> None:
    text = BOOK + BOOK.replace("last", "very last")
    whole = clean(text, unwrap=unwrap)
    assert "very last" in whole
    monkeypatch.setattr(reading, "BLOCK", block)
    monkeypatch.setattr(reading, "LONGEST_LINE", 30)
    monkeypatch.setattr(cleaning, "BATCH", 3)
    assert clean(text, unwrap=unwrap) == whole


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_without_text_is_refused(clean: Any, content: bytes) -> None:
    with pytest.raises(InputError, match=r"the book: text is required, its file has none"):
        clean(content)


@pytest.mark.parametrize("key", ["start_at", "stop_before"])
@pytest.mark.parametrize("words", ["the rabbit", "Down", "CHAPTER I?", "CHAPT", "THE ENDING"])
def test_a_line_that_is_not_there_is_refused(clean: Any, key: str, words: str) -> None:
    ends = {"start_at": None, "stop_before": None, key: words}
    with pytest.raises(InputError, match=rf"encode\.{key}: a line that begins with .* required"):
        clean(BOOK, **ends)


@pytest.mark.parametrize("contents", NOTES)
def test_the_text_starts_at_the_chapter_and_not_in_the_table_of_contents(
    clean: Any, contents: str
) -> None:
    chapter = f"CHAPTER I.\nDown the Rabbit-Hole\n\n{PROSE}{PROSE}"
    text = clean(f"{contents}\n\n{chapter}\nCHAPTER II.\n\n{PROSE}THE END\n")
    assert text.startswith("CHAPTER I. Down the Rabbit-Hole\n\nAlice was")
    assert "CONTENTS" not in text


def test_a_lone_heading_that_looks_like_contents_loses_nothing(clean: Any) -> None:
    assert clean(CONTENTS, stop_before=None).startswith("CHAPTER I. Down")


@pytest.mark.parametrize(
    ("heading", "end"),
    [("CHAPTER I", "THE END"), ("Chapter I.", "The End."), ("CHAPTER I:", "THE END")],
)
def test_editions_spell_the_chapter_and_the_end_otherwise(
    clean: Any, heading: str, end: str
) -> None:
    text = f"Title\n\nCHAPTER II\n{PROSE}\n{heading}\n\n{PROSE}\n{end}\n\nThe endless page\n"
    assert clean(text) == f"{heading}\n\n{PROSE.strip()}"


def test_of_several_ends_the_last_counts(clean: Any) -> None:
    text = f"CHAPTER I.\n\n{PROSE}\nTHE END\n\n{PROSE}\nTHE END\n\nAn advertisement\n"
    assert clean(text).endswith(f"THE END\n\n{PROSE.strip()}")


def test_an_end_at_the_first_line_leaves_nothing(clean: Any) -> None:
    assert clean("THE END\nand more", start_at=None) == ""


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_a_fraction_must_leave_something_on_either_side(fraction: float) -> None:
    with pytest.raises(ValidationError, match="validation_fraction"):
        params(validation_fraction=fraction)


@pytest.mark.parametrize(("asked", "parts"), [("auto", 2), ("lines", 4), ("indents", 3)])
def test_the_way_that_paragraphs_are_parted_can_be_asked_for(
    clean: Any, asked: str, parts: int
) -> None:
    text = f"{PROSE}{PROSE}\n{PROSE}  {PROSE}"
    found = clean(text, paragraphs=asked, start_at=None, stop_before=None)
    assert len(found.split("\n\n")) == parts
