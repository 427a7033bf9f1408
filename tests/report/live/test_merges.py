"""GPT-2's tables: what each merge joins, and tables that are not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.report.live.packing import NoPageError
from looking_glass.report.live.merges import read_merges
from looking_glass.text.reader import Reader


def test_each_merge_makes_the_token_that_comes_next(
    tables: tuple[Path, Path], tokenizer: Reader
) -> None:
    merges = read_merges(*tables)
    pieces = tokenizer.token_bytes()
    assert len(merges) == 50_000
    for token, (left, right) in enumerate(merges, start=256):
        assert pieces[left] + pieces[right] == pieces[token]


def test_tables_in_another_order_are_refused(tables: tuple[Path, Path], tmp_path: Path) -> None:
    ids = json.loads(tables[0].read_text())
    ids["!"], ids['"'] = ids['"'], ids["!"]
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    with pytest.raises(NoPageError, match=r"the ids of GPT-2's tables are required"):
        read_merges(tmp_path / "vocab.json", tables[1])
    with pytest.raises(InputError, match=r"GPT-2's encoder.json and vocab.bpe are required"):
        read_merges(tables[1], tables[1])
    ids = json.loads(tables[0].read_text())
    (tmp_path / "more.json").write_text(json.dumps({**ids, "<|pad|>": len(ids)}))
    with pytest.raises(NoPageError, match=r"one token more, these are others"):
        read_merges(tmp_path / "more.json", tables[1])
    with pytest.raises(InputError, match=r"none\.json: GPT-2's tables are required"):
        read_merges(tmp_path / "none.json", tables[1])
