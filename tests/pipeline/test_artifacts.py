"""Files come whole or not at all, and equal content gives equal bytes."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pandas.testing import assert_frame_equal

from looking_glass.pipeline import artifacts
from looking_glass.pipeline.errors import InputError

examples = settings(max_examples=40, derandomize=True, deadline=None)


class DeathError(Exception):
    """Stands for whatever ends a writer half-way."""


def write_half(writer: AbstractContextManager[Path], name: str, death: type[BaseException]) -> None:
    with writer as partial:
        (partial / name).write_text("half of the n")
        raise death


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Paths in a folder that hypothesis may use again for each example."""
    folder = tmp_path_factory.mktemp("artifacts")
    return lambda name: folder / name


@pytest.mark.parametrize("death", [DeathError, KeyboardInterrupt])
def test_a_writer_that_dies_leaves_the_old_file_and_no_litter(
    tmp_path: Path, death: type[BaseException]
) -> None:
    path = tmp_path / "curve.csv"
    artifacts.write_text(path, "old")
    with pytest.raises(death):
        write_half(artifacts.whole_file(path), "", death)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["curve.csv"]


@pytest.mark.parametrize("existed", [True, False])
def test_a_writer_that_dies_leaves_the_old_directory_and_no_litter(
    tmp_path: Path, existed: bool
) -> None:
    path = tmp_path / "tokens"
    if existed:
        with artifacts.whole_directory(path) as partial:
            (partial / "train.bin").write_text("old")
    with pytest.raises(DeathError):
        write_half(artifacts.whole_directory(path), "train.bin", DeathError)
    assert [p.name for p in tmp_path.iterdir()] == (["tokens"] if existed else [])
    assert not existed or (path / "train.bin").read_text() == "old"


def test_a_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    with artifacts.whole_file(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_directory_replaces_the_old_with_all_it_held(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for name in ("old.bin", "new.bin"):
        with artifacts.whole_directory(path) as partial:
            (partial / name).touch()
    assert [p.name for p in path.iterdir()] == ["new.bin"]


def test_outputs_can_be_read_by_everyone_whatever_made_them(tmp_path: Path) -> None:
    artifacts.write_text(tmp_path / "a.txt", "a")
    with artifacts.whole_directory(tmp_path / "d"):
        pass
    modes = [os.stat(tmp_path / name).st_mode & 0o777 for name in ("a.txt", "d")]  # noqa: PTH116
    assert modes == [0o644, 0o755]


def test_text_is_utf_8_with_the_line_ends_given(tmp_path: Path) -> None:
    artifacts.write_text(tmp_path / "a.txt", "Schrödinger’s\n🐈\n")
    assert (tmp_path / "a.txt").read_bytes() == "Schrödinger’s\n🐈\n".encode()


def test_json_keeps_order_and_few_digits_at_any_depth(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    content = {
        "z": 1 / 3,
        "a": [np.float32(0.1), (2e-9 / 3, np.int64(7))],
        "s": {"n": None, "b": np.bool_(True), "text": "“é”", "big": 123_456_789},
    }
    artifacts.write_json(path, content)
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert "“é”" in path.read_text(encoding="utf-8")
    read = artifacts.read_json(path)
    assert list(read) == ["z", "a", "s"]
    assert read == {
        "z": 0.33333,
        "a": [0.1, [6.6667e-10, 7]],
        "s": {"n": None, "b": True, "text": "“é”", "big": 123_456_789},
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_json_refuses_what_json_cannot_hold_and_keeps_the_old(tmp_path: Path, value: float) -> None:
    path = tmp_path / "m.json"
    artifacts.write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifacts.write_json(path, {"loss": [value]})
    assert artifacts.read_json(path) == {"loss": 1.0}


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text()
trees = st.recursive(leaves, lambda t: st.lists(t) | st.dictionaries(st.text(), t), max_leaves=8)


@examples
@given(content=st.dictionaries(st.text(), trees))
def test_json_read_and_written_again_has_the_same_bytes(
    scratch: Callable[[str], Path], content: dict[str, object]
) -> None:
    artifacts.write_json(scratch("m.json"), content)
    artifacts.write_json(scratch("again.json"), artifacts.read_json(scratch("m.json")))
    assert scratch("again.json").read_bytes() == scratch("m.json").read_bytes()


# Words that a reader might mend: none is missing, no number and no line end.
cells = st.text(st.characters(codec="utf-8"), min_size=1) | st.sampled_from(
    ["NA", "nan", "null", "None", " ", "\n", "\r", "\r\n", '"', ",", "\t", "#", "\\", "\\xf0"]
)
rows = st.tuples(
    cells, st.integers(-(2**31), 2**31), st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.5g}"))
)


@examples
@given(table=st.lists(rows, min_size=1, max_size=6))
def test_csv_keeps_every_word_and_number_and_its_bytes(
    scratch: Callable[[str], Path], table: list[tuple[str, int, float]]
) -> None:
    # Were all words of a column numbers, it would be read as numbers: here one is not.
    frame = pd.DataFrame([*table, ("word", 0, 0.5)], columns=["text", "count", "share"])
    artifacts.write_csv(scratch("t.csv"), frame)
    read = artifacts.read_csv(scratch("t.csv"))
    assert_frame_equal(read, frame, check_dtype=False)
    artifacts.write_csv(scratch("again.csv"), read)
    assert scratch("again.csv").read_bytes() == scratch("t.csv").read_bytes()


def test_csv_has_no_index_few_digits_line_feeds_and_blank_for_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"step": [1, 2], "loss": [10 / 3, None], "tokens": [1234567, math.nan]})
    artifacts.write_csv(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_bytes() == b"step,loss,tokens\n1,3.3333,1234567\n2,,\n"
    assert math.isnan(artifacts.read_csv(tmp_path / "t.csv")["loss"][1])


def test_csv_of_one_column_keeps_a_word_that_is_a_space(tmp_path: Path) -> None:
    artifacts.write_csv(tmp_path / "t.csv", pd.DataFrame({"text": ["a", " ", "\r", "b"]}))
    assert artifacts.read_csv(tmp_path / "t.csv")["text"].tolist() == ["a", " ", "\r", "b"]


arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint16, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


@examples
@given(named=st.dictionaries(st.sampled_from("abcd"), arrays, min_size=1))
def test_tensors_round_trip_and_their_order_is_no_part_of_the_bytes(
    scratch: Callable[[str], Path],
    named: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
) -> None:
    artifacts.write_tensors(scratch("t.safetensors"), named)
    read = artifacts.read_tensors(scratch("t.safetensors"))
    assert set(read) == set(named)
    for name, array in named.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array, strict=True)
    artifacts.write_tensors(scratch("again.safetensors"), dict(reversed(list(read.items()))))
    assert scratch("again.safetensors").read_bytes() == scratch("t.safetensors").read_bytes()


def test_a_transposed_view_is_written_as_it_reads(tmp_path: Path) -> None:
    view = np.arange(6, dtype=np.float32).reshape(2, 3).T
    artifacts.write_tensors(tmp_path / "t.safetensors", {"view": view})
    read = artifacts.read_tensors(tmp_path / "t.safetensors")["view"]
    assert read.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_texts_that_look_like_nothing_or_numbers_stay_texts(scratch: Callable[[str], Path]) -> None:
    table = pd.DataFrame({"text": ["", "12", "NA", " a", "1.50"], "rank": [1, 2, 3, 4, 5]})
    artifacts.write_csv(scratch("t.csv"), table)
    read = artifacts.read_csv(scratch("t.csv"))
    assert read["text"].tolist() == table["text"].tolist()
    assert read["rank"].tolist() == table["rank"].tolist()
    artifacts.write_csv(scratch("e.csv"), table[:0])
    assert artifacts.read_csv(scratch("e.csv"))["text"].tolist() == []


# Of every table that the report reads: what was said, fed or found, and hashes.
@pytest.mark.parametrize(
    "column",
    [
        *("text", "said", "removed", "top_word", "next", "context", "fed", "ids", "settings"),
        *("nearest_row", "nearest_1", "nearest_2", "nearest_3", "drawn_nearest"),
    ],
)
def test_any_column_of_texts_may_look_like_numbers(tmp_path: Path, column: str) -> None:
    artifacts.write_csv(tmp_path / "t.csv", pd.DataFrame({column: ["12", "007", "1e5"], "n": 1}))
    assert artifacts.read_csv(tmp_path / "t.csv")[column].tolist() == ["12", "007", "1e5"]


def test_memory_that_ends_in_the_middle_of_a_table_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_path: Path, **_named: object) -> None:
        said = "Error tokenizing data. C error: Calling read(nbytes) on source failed."
        raise pd.errors.ParserError(said)

    monkeypatch.setattr(pd, "read_csv", read)
    with pytest.raises(MemoryError):
        artifacts.read_csv(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("read", "content"),
    [
        *((artifacts.read_json, content) for content in (b"", b"{", b"\xff", b"[]", b"[" * 99_999)),
        *((artifacts.read_csv, content) for content in (b"", b"a,b\n1,2,3\n1\n", b"\xff\xfe,\n")),
        *((artifacts.read_tensors, content) for content in (b"", b"\xff" * 100)),
    ],
)
def test_a_damaged_artifact_is_named_and_how_to_make_it_again(
    tmp_path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged: .*dvc repro -f") as caught:
        read(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("cell", ["\r", "a\rb", "\r\n", "a\nb", '"', ",", " ", "a\x1cb", "a"])
def test_a_cell_comes_back_from_a_table_as_it_was_whoever_reads_it(
    tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "table.csv"
    artifacts.write_csv(path, pd.DataFrame({"number": [1, 2], "text": [cell, "b"]}))
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["number", "text"], ["1", cell], ["2", "b"]]
    assert artifacts.read_csv(path)["text"].tolist() == [cell, "b"]
    assert path.read_bytes().endswith(b"2,b\n")
