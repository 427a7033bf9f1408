"""The token files, as they lie on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from looking_glass.text import corpus


def test_a_corpus_is_read_as_it_was_written(tmp_path: Path) -> None:
    tokens = np.array([1, 256, 50_256, 65_535], dtype=np.uint16)
    written = corpus.Corpus(train=tokens, val=tokens[1:3], vocab_size=50_257, val_bytes=7)
    corpus.write_corpus(tmp_path, written)
    assert (tmp_path / "train.bin").read_bytes() == b"\x01\x00\x00\x01\x50\xc4\xff\xff"
    assert (tmp_path / "val.bin").read_bytes() == b"\x00\x01\x50\xc4"
    read = corpus.read_corpus(tmp_path)
    assert read.train.tolist() == tokens.tolist()
    assert read.val.tolist() == [256, 50_256]
    assert (read.vocab_size, read.val_bytes) == (50_257, 7)
    assert isinstance(read.train, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        read.train[0] = 5


def test_a_part_without_tokens_is_read_as_empty(tmp_path: Path) -> None:
    none = np.array([], dtype=np.uint16)
    corpus.write_corpus(tmp_path, corpus.Corpus(train=none, val=none, vocab_size=9, val_bytes=0))
    assert corpus.read_corpus(tmp_path).val.tolist() == []
