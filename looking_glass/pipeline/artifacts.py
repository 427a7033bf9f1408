"""Files written whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

# Digits kept in JSON and CSV: enough for every reader, and no noise in `dvc metrics diff`.
SIGNIFICANT_DIGITS = 6
# Columns that hold pieces of text in any table that has them.
TEXTS = [
    *("text", "said", "removed", "top_word", "next", "context"),
    *("nearest_row", "nearest_1", "nearest_2", "nearest_3"),
]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; move it onto `path` only if no exception came."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`; it replaces `path` only if no exception came."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield partial
        partial.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with line feeds, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as indented JSON, keys in the order given, floats to six digits.

    Raises `ValueError` on infinities and NaN, which JSON cannot hold.
    """
    text = json.dumps(_rounded(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` without its index, floats to six digits, lines ended by a line feed."""
    text = table.to_csv(index=False, float_format=f"%.{SIGNIFICANT_DIGITS}g", lineterminator="\n")
    write_text(path, text)


def read_csv(path: Path) -> pd.DataFrame:
    """Return the table in `path`; its columns of `TEXTS` hold text, whatever that looks like.

    A cell `NA` may be a word, `12` too, and an empty one a text of nothing.
    """
    table = pd.read_csv(
        path,
        keep_default_na=False,
        na_values=[""],
        lineterminator="\n",
        skip_blank_lines=False,
        dtype=dict.fromkeys(TEXTS, str),
    )
    texts = table.columns.intersection(TEXTS)
    return table.assign(**{name: table[name].fillna("") for name in texts})


def write_tensors(path: Path, tensors: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays by name as safetensors: no pickle, and the same bytes for the same arrays."""
    contiguous = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    with whole_file(path) as partial:
        # One metadata entry: with two or more their order, and so the bytes, would vary.
        save_file(contiguous, partial, metadata={"format": "pt"})


def read_tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays in a safetensors file by name; raise `ValueError` when it is none."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"not a safetensors file: {error}") from None


def _rounded(value: Any) -> Any:
    """`value` with every float rounded to six significant digits, whatever it is nested in."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    if isinstance(value, np.generic):
        return _rounded(value.item())
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return value
