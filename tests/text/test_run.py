"""A book's file encoded some of it at a time: the same tokens as at once, and what is told."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.pipeline.errors import InputError
from looking_glass.text import cleaning, counting, encoded, plan, reading
from looking_glass.text.corpus import read_corpus
from looking_glass.text.run import encode_book
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.encoding import encode_params as params

TEXT = 'Alice -- tired  of it.\n\n"Off," 12 said  she!\n她来了。\n\n naïve 🤗\n' * 3


def encode(book: Path, tokenizer: Tokenizer, directory: Path, **changes: Any) -> Any:
    asked = params(**{"start_at": None, "stop_before": None, **changes})
    directory.mkdir(exist_ok=True)
    return encode_book(book, tokenizer, asked, directory)


@pytest.mark.parametrize("unwrap", [True, False])
@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_the_tokens_of_the_pieces_are_those_of_the_whole(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, block: int, unwrap: bool
) -> None:
    (tmp_path / "book.txt").write_text(TEXT)
    monkeypatch.setattr(reading, "BLOCK", block)
    monkeypatch.setattr(cleaning, "BATCH", block)
    monkeypatch.setattr(encoded, "COPIED", block)
    book = encode(tmp_path / "book.txt", tokenizer, tmp_path / "tokens", unwrap=unwrap)
    corpus = read_corpus(tmp_path / "tokens")
    tokens = [*corpus.train.tolist(), *corpus.val.tolist()]
    text = TEXT.strip("\n") if not unwrap else tokenizer.decode(tokens)
    assert tokens == tokenizer.encode(text)
    assert "tired of it.\n\n" in text if unwrap else "tired  of" in text
    assert book.n_bytes == len(text.encode())
    assert book.n_tokens == len(tokens)
    assert corpus.val_bytes == tokenizer.n_bytes(corpus.val.tolist()[1:])
    assert sorted(path.name for path in (tmp_path / "tokens").iterdir()) == [
        "meta.json", "train.bin", "val.bin",
    ]  # fmt: skip


def test_memory_does_not_grow_with_the_text(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((reading, "BLOCK"), (cleaning, "BATCH"), (encoded, "COPIED")):
        monkeypatch.setattr(module, name, 1 << 14)
    for module, name in ((counting, "PIECE"), (plan, "SAMPLE")):
        monkeypatch.setattr(module, name, 1 << 12)
    peaks = []
    for n in (1 << 17, 1 << 20):
        (tmp_path / "book.txt").write_text(TEXT * (n // len(TEXT.encode()) + 1))
        tracemalloc.start()
        encode(tmp_path / "book.txt", tokenizer, tmp_path / "tokens")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1 << 18, peaks


@settings(max_examples=60, derandomize=True, deadline=None)
@given(n=st.integers(0, 300), fraction=st.floats(0.01, 0.99))
@pytest.mark.parametrize("held_out", ["last", "first"])
def test_the_split_is_contiguous_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, held_out: Any, n: int, fraction: float
) -> None:
    directory = tmp_path_factory.mktemp("split")
    tokens = np.arange(n, dtype="<u2")
    tokens.tofile(directory / "whole.bin")
    encoded.part(directory / "whole.bin", directory, n, fraction, held_out)
    train, val = (np.fromfile(directory / f"{name}.bin", "<u2") for name in ("train", "val"))
    parts = (train, val) if held_out == "last" else (val, train)
    assert np.concatenate(parts).tolist() == tokens.tolist()
    assert abs(len(val) - fraction * n) <= 1
    assert not (directory / "whole.bin").exists()


def test_a_tenth_of_seventy_is_seven() -> None:
    assert encoded.n_held_out(70, 0.1) == 7


def test_a_book_of_which_nothing_is_left_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "book.txt").write_text("THE END\nand more")
    with pytest.raises(InputError, match="no text is left after cleaning"):
        encode(tmp_path / "book.txt", tokenizer, tmp_path / "tokens", stop_before="THE END")


def told(tmp_path: Path, tokenizer: Tokenizer, text: str, **changes: Any) -> dict[str, str]:
    (tmp_path / "book.txt").write_text(text)
    table = encode(tmp_path / "book.txt", tokenizer, tmp_path / "tokens", **changes).told
    return {f"{row.kind} {row.what}": str(row.text) for row in table.itertuples()}


def test_what_was_done_to_the_text_is_told(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = "A title\n\nCHAPTER I.\n\n" + "one two three\nfour\n\n" * 30 + "THE END\n"
    found = told(tmp_path, tokenizer, text, start_at="CHAPTER I.", stop_before="THE END")
    assert found["done encoding"] == "utf-8"
    n = len(text)
    assert found["done characters kept"] == f"{n - 9 - 8:,} of {n:,} ({1 - 17 / n:.1%})"
    assert found["done start"] == "“CHAPTER I.”; 9 characters before left out"
    assert found["done end"] == "“THE END”; 8 characters from there on left out"
    assert found["done paragraphs"] == "31, told apart by blank lines"
    assert found["done first words"].startswith("CHAPTER I. one two three four one")
    known = {"CHAPTER", "I.", "…", "one", "two", "three", "four"}
    assert set(found["done first words"].split()) <= known, "whole words"
    assert found["done last words"].startswith("… ")
    assert set(found["done last words"].split()) == {"…", "one", "two", "three", "four"}


def test_tokens_are_counted_by_the_word_or_the_character(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    spaced = told(tmp_path, tokenizer, "one two three four")["done tokens"]
    assert spaced == "4: 1.00 a word between spaces, 4.50 bytes each"
    text = "小猫在河边看见兔子。" * 5
    n = len(tokenizer.encode(text))
    unspaced = told(tmp_path, tokenizer, text)["done tokens"]
    assert unspaced == f"{n}: {n / 50:.2f} a character, {150 / n:.2f} bytes each"


@pytest.mark.parametrize(
    ("text", "warning", "says"),
    [
        ("one\n\nread at Project Gutenberg today\n", "remains", "in 1 paragraph that .* “read at"),
        ("a lost \ufffd sign \ufffd", "lost", "stands for 2 characters that"),
        ("don\u0092t", "controls", "^1 control character, .* windows-1252"),
        ("a preface of many words\nCHAPTER I.\nshort", "start_at", "leaves out 60% of the text"),
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK X ***\na\n*** END OF THE PROJECT GUTENBERG "
            "EBOOK X ***\n\n" * 2,
            "books",
            "holds 2 books",
        ),
    ],
)
def test_a_wrong_cut_is_warned_of(
    tmp_path: Path, tokenizer: Tokenizer, text: str, warning: str, says: str
) -> None:
    start = "CHAPTER I." if warning == "start_at" else None
    found = told(tmp_path, tokenizer, text, start_at=start)
    assert [key for key in found if key.startswith("warning")] == [f"warning {warning}"]
    assert re.search(says, found[f"warning {warning}"])
