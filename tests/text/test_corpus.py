"""From a book's bytes to tokens: what is cut, joined, split and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from looking_glass.pipeline.errors import InputError
from looking_glass.text import corpus

examples = settings(max_examples=80, derandomize=True, deadline=None)

BOOK = """\
Title: A Book
*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***

CONTENTS of it

CHAPTER I. Down
the  rabbit-hole

  CHAPTER I. again
    THE END is near
a last line
      THE END of it

End of Project Gutenberg's A Book
A licence.
"""


def params(**changes: Any) -> corpus.EncodeParams:
    given_keys = {"unwrap": True, "start_at": "CHAPTER I.", "stop_before": "THE END"}
    return corpus.EncodeParams(
        **{**given_keys, "validation_fraction": 0.1, "held_out": "last", **changes}
    )


def test_a_book_is_cleaned_from_its_bytes_to_its_paragraphs() -> None:
    content = b"\xef\xbb\xbf" + BOOK.replace("\n", "\r\n").encode()
    assert corpus.clean(content, params(), what="book") == (
        "CHAPTER I. Down the rabbit-hole\n\nCHAPTER I. again THE END is near a last line"
    )


def test_nulls_and_no_unwrap_keep_the_lines_and_indentation() -> None:
    text = corpus.clean(
        BOOK.encode(), params(unwrap=False, start_at=None, stop_before=None), what="book"
    )
    assert text.startswith("CONTENTS of it\n\nCHAPTER I. Down\nthe  rabbit-hole\n\n  CHAPTER")
    assert text.endswith("a last line\n      THE END of it")


@pytest.mark.parametrize("lines", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_and_line_ends_are_no_part_of_the_text(mark: str, lines: str) -> None:
    content = f"{mark}“é”{lines}b\ufeff{lines}".encode()
    assert corpus.decode_text(content, what="book") == "“é”\nb\ufeff\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_not_utf_8_is_named_with_its_place(mark: bytes) -> None:
    content = mark + b"caf\xe9 au lait"
    expected = rf"^book\.txt: must be UTF-8 text, but byte {len(mark) + 3} \(0xe9\) is not"
    with pytest.raises(InputError, match=expected):
        corpus.decode_text(content, what="book.txt")


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_without_text_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=f"has none in its {len(content)} bytes"):
        corpus.decode_text(content, what="book.txt")


@pytest.mark.parametrize(
    "start", ["*** START OF THE PROJECT GUTENBERG EBOOK 11 ***", "***START OF THIS PROJECT "
     "GUTENBERG EBOOK ALICE***"]
)  # fmt: skip
@pytest.mark.parametrize(
    "end",
    ["*** END OF THE PROJECT GUTENBERG EBOOK 11 ***", "***END OF THIS PROJECT GUTENBERG EBOOK X",
     "End of Project Gutenberg's Alice", "End of the Project Gutenberg EBook"],
)  # fmt: skip
def test_every_edition_of_gutenbergs_wrapping_comes_off(start: str, end: str) -> None:
    text = f"Licence\n{start}\n\n  Alice.\nThe end of Project Gutenberg\n\n{end}\nLicence\n"
    assert corpus.strip_gutenberg(text) == "  Alice.\nThe end of Project Gutenberg"


def test_text_that_gutenberg_did_not_wrap_stays() -> None:
    assert corpus.strip_gutenberg("A START OF\nthe end\n") == "A START OF\nthe end"


@pytest.mark.parametrize("key", ["start_at", "stop_before"])
@pytest.mark.parametrize("words", ["the rabbit", "Down", "chapter i.", "CHAPTER I?"])
def test_a_line_that_is_not_there_is_refused(key: str, words: str) -> None:
    ends = {"start_at": None, "stop_before": None, key: words}
    with pytest.raises(InputError, match=rf"encode\.{key}: a line that begins with .* required"):
        corpus.cut(BOOK, **ends)


def test_cutting_all_of_the_text_away_is_refused() -> None:
    with pytest.raises(InputError, match="no text is left after cleaning"):
        corpus.clean(b"THE END\nand more", params(start_at=None), what="book")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_a_fraction_must_leave_something_on_either_side(fraction: float) -> None:
    with pytest.raises(ValidationError, match="validation_fraction"):
        params(validation_fraction=fraction)


lines = st.text(st.sampled_from("ab \n\t\r\v\xa0\u2028"), max_size=40)


@examples
@given(text=lines | st.text())
@example(text="a\n \n\t\n\n b\n c \n")
def test_unwrap_is_idempotent_and_keeps_every_word(text: str) -> None:
    once = corpus.unwrap(text)
    assert corpus.unwrap(once) == once
    assert once.split() == text.split()
    for paragraph in once.split("\n\n"):
        assert paragraph == " ".join(paragraph.split())


def test_unwrap_keeps_paragraphs_apart_and_only_those() -> None:
    assert corpus.unwrap("\n a  b\n\tc\n  \n\n\nd\ne\n") == "a b c\n\nd e"


@examples
@given(tokens=st.lists(st.integers(0, 65_535)), fraction=st.floats(0.01, 0.99))
def test_the_split_is_contiguous_and_loses_nothing(tokens: list[int], fraction: float) -> None:
    train, val = corpus.split(tokens, fraction)
    assert train.tolist() + val.tolist() == tokens
    rest, first = corpus.split(tokens, fraction, "first")
    assert first.tolist() + rest.tolist() == tokens
    assert len(first) == len(val)
    assert train.dtype == val.dtype == np.uint16
    assert abs(len(val) - fraction * len(tokens)) <= 1


def test_a_corpus_is_read_as_it_was_written(tmp_path: Path) -> None:
    tokens = np.array([1, 256, 50_256, 65_535], dtype=np.uint16)
    written = corpus.Corpus(train=tokens, val=tokens[1:3], vocab_size=65_536, val_bytes=7)
    corpus.write_corpus(tmp_path, written)
    assert (tmp_path / "train.bin").read_bytes() == b"\x01\x00\x00\x01\x50\xc4\xff\xff"
    assert (tmp_path / "val.bin").read_bytes() == b"\x00\x01\x50\xc4"
    read = corpus.read_corpus(tmp_path)
    assert read.train.tolist() == tokens.tolist()
    assert read.val.tolist() == [256, 50_256]
    assert (read.vocab_size, read.val_bytes) == (65_536, 7)
    assert isinstance(read.train, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        read.train[0] = 5


META = {"vocab_size": 9, "val_bytes": 4}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train.bin", b"", "at least 2 tokens are required, got 0"),
        ("val.bin", b"\1\0", "at least 2 tokens are required, got 1"),
        ("val.bin", b"\1\0\2", "two bytes a token are required, got 3 bytes"),
        ("train.bin", b"\1\0\x09\0", "tokens below 9, meta.json's vocab_size, .* got 9"),
        ("train.bin", None, "is not there"),
        ("meta.json", None, "is not there"),
        ("meta.json", b"{", "not valid JSON"),
        ("meta.json", b"\xff", "not valid JSON"),
        ("meta.json", b"[]", r"an object is required, got \[\]"),
        ("meta.json", json.dumps({**META, "more": 1}).encode(), "vocab_size and val_bytes are req"),
        ("meta.json", b'{"vocab_size": 9}', "vocab_size and val_bytes are required"),
        ("meta.json", json.dumps({**META, "vocab_size": "9"}).encode(), "whole numbers"),
        ("meta.json", json.dumps({**META, "vocab_size": True}).encode(), "whole numbers"),
    ],
)
def test_tokens_that_are_damaged_are_refused_by_their_file(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    tokens = np.array([1, 8], dtype=np.uint16)
    corpus.write_corpus(tmp_path, corpus.Corpus(train=tokens, val=tokens, **META))
    corpus.read_corpus(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}.*{reason}.*dvc repro -f") as caught:
        corpus.read_corpus(tmp_path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_a_part_in_which_nothing_can_be_predicted_is_refused(fraction: float) -> None:
    train, val = corpus.split(list(range(100)), fraction)
    both = corpus.Corpus(train=train, val=val, vocab_size=100, val_bytes=0)
    with pytest.raises(InputError, match=r"encode.validation_fraction: .* leaves (100|0) and"):
        corpus.check_parts(both, fraction)
    train, val = corpus.split(list(range(100)), 0.02)
    corpus.check_parts(corpus.Corpus(train=train, val=val, vocab_size=100, val_bytes=0), 0.02)


@pytest.mark.parametrize(
    ("train", "val", "rate"), [([1, 2], [1, 3, 3, 2], 0.5), ([1], [1], 0.0), ([1], [], 0.0)]
)
def test_the_unseen_rate_counts_validation_tokens_not_kinds(
    train: list[int], val: list[int], rate: float
) -> None:
    parts = (np.array(part, dtype=np.uint16) for part in (train, val))
    both = dict(zip(("train", "val"), parts, strict=True))
    assert corpus.unseen_rate(corpus.Corpus(**both, vocab_size=9, val_bytes=0)) == rate


def test_ranks_go_from_most_frequent_down_and_ties_by_token() -> None:
    table = corpus.rank_frequency(np.array([7, 5, 5, 9, 7, 5, 2], dtype=np.uint16))
    assert table.to_dict("list") == {
        "rank": [1, 2, 3, 4],
        "token": [5, 7, 2, 9],
        "count": [3, 2, 1, 1],
    }
    assert corpus.rank_frequency(np.array([], dtype=np.uint16)).empty
