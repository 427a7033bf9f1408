"""The token files, as they lie on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.text import corpus


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


@pytest.mark.parametrize("parts", [(99, 1), (0, 100), (1, 0)])
def test_a_part_in_which_nothing_can_be_predicted_is_refused(parts: tuple[int, int]) -> None:
    told = rf"encode.validation_fraction: .* leaves {parts[0]} and {parts[1]}"
    with pytest.raises(InputError, match=told):
        corpus.check_parts(*parts, 1e-9)
    corpus.check_parts(2, 2, 0.5)
