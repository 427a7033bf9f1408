"""Where lines come from, and a table that is whole or not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.scoring.files import open_lines, open_table


def test_a_file_is_read_as_bytes_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"a\n\xff\n")
    with open_lines(str(tmp_path / "lines.txt")) as stream:
        assert list(stream) == [b"a\n", b"\xff\n"]
    with pytest.raises(InputError, match=r"none.txt: a file of sentences, one a line, is required"):
        open_lines(str(tmp_path / "none.txt"))


def test_a_table_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "scores.csv"
    with pytest.raises(UnicodeEncodeError), open_table(path) as table:
        table.write("half\ud800")
    assert not path.exists()
    with open_table(path) as table:
        table.write("ä\n")
    assert path.read_bytes() == "ä\n".encode()
    assert [one.name for one in path.parent.iterdir()] == ["scores.csv"]


def test_without_a_path_it_is_standard_output() -> None:
    with open_table(None) as table:
        assert table is sys.stdout
