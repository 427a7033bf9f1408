"""Files written whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from looking_glass.pipeline.errors import InputError, shorten
from looking_glass.pipeline.partial import partial_directory, partial_file

# Digits kept in JSON and CSV: enough for every reader. Further ones are another processor's to
# change, and would be noise in `git status` and `dvc metrics diff`.
SIGNIFICANT_DIGITS = 5
# Columns that hold pieces of text in any table that has them.
TEXTS = [
    *("text", "said", "removed", "top_word", "next", "context"),
    *("nearest_row", "nearest_1", "nearest_2", "nearest_3", "drawn_nearest"),
    *("fed", "ids", "settings"),
]
# What pandas says of a file in whose middle memory ran out.
_NO_ROOM = "Calling read(nbytes) on source failed"
# What to do about an artifact that is not as a stage wrote it.
AGAIN = "make it again with dvc repro -f and the stage that writes it"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; move it onto `path` only if no exception came.

    An `OSError` on the way is raised as one that names `path`.
    """
    with partial_file(path) as partial:
        with _named(path, partial):
            yield partial
        partial.chmod(0o644)
        partial.replace(path)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`; it replaces `path` only if no exception came.

    An `OSError` on the way is raised as one that names `path`.
    """
    with partial_directory(path) as partial:
        with _named(path, partial):
            yield partial
        partial.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        partial.replace(path)


@contextmanager
def _named(path: Path, partial: Path) -> Iterator[None]:
    """Give an `OSError` about `partial` the path that its reader knows; a failed write has none."""
    try:
        yield
    except BrokenPipeError:  # is about what the stage says, not about what it writes
        raise
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(partial)):
            raise
        told = error.strerror or str(error)
        raise OSError(error.errno or errno.EIO, told, str(path)) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with line feeds, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as indented JSON, keys in the order given, floats to `SIGNIFICANT_DIGITS`.

    Raises `ValueError` on infinities and NaN, which JSON cannot hold.
    """
    text = json.dumps(_rounded(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; raise `InputError` when it is damaged."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, no JSON, or nested without end
        raise InputError(f"{path}: not valid JSON ({shorten(str(error))}): {AGAIN}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: an object is required, got {shorten(repr(content))}: {AGAIN}")
    return content


_END = "\r\0\n"  # of a line, until it is written: in no cell, for no text may have a NUL


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` without its index, floats to `SIGNIFICANT_DIGITS`, lines ended by line feeds.

    A count stays whole, also where a cell without one has made its column one of floats.
    """
    # Whatever ends a line is quoted in a cell. Python has quoted a carriage return only since 3.13:
    # before, the bytes would be others, and other programs would take it for the end of the line.
    text = table.to_csv(index=False, float_format=_digits, lineterminator=_END)
    write_text(path, text.replace(_END, "\n"))


def read_csv(path: Path) -> pd.DataFrame:
    """Return the table in `path`; its columns of `TEXTS` hold text, whatever that looks like.

    A cell `NA` may be a word, `12` too, and an empty one a text of nothing. Raises `InputError`
    when the file is damaged.
    """
    try:
        table = pd.read_csv(
            path,
            keep_default_na=False,
            na_values=[""],
            lineterminator="\n",
            skip_blank_lines=False,
            dtype=dict.fromkeys(TEXTS, str),
        )
    except ValueError as error:  # which pandas' own errors and UnicodeDecodeError are
        if _NO_ROOM in str(error):
            raise MemoryError from None
        raise InputError(f"{path}: no table ({shorten(str(error))}): {AGAIN}") from None
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: no table (a row is longer than the first): {AGAIN}")
    texts = table.columns.intersection(TEXTS)
    return table.assign(**{name: table[name].fillna("") for name in texts})


def write_tensors(path: Path, tensors: dict[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays by name as safetensors: no pickle, and the same bytes for the same arrays."""
    contiguous = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    with whole_file(path) as partial:
        # One metadata entry: with two or more their order, and so the bytes, would vary.
        try:
            save_file(contiguous, partial, metadata={"format": "pt"})
        except SafetensorError as error:  # what the disk refused, as that library puts it
            raise _as_os_error(error) from None


def read_tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays in a safetensors file by name; raise `InputError` when it is none."""
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:  # an empty file cannot be mapped
        message = f"not a safetensors file ({shorten(str(error))})"
        raise InputError(f"{path}: {message}: {AGAIN}") from None


def _as_os_error(error: SafetensorError) -> OSError:
    """Return the system's error that safetensors tells in words: `... (os error 28)`."""
    found = re.search(r"os error (\d+)", str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number))


def _rounded(value: Any) -> Any:
    """`value` with every float rounded, whatever it is nested in."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    if isinstance(value, np.generic):
        return _rounded(value.item())
    if isinstance(value, float):
        return _kept(value)
    return value


def _kept(value: float) -> float:
    """Return a float with the digits that are worth anything; a whole number keeps all of its own.

    What rounding would make infinite stays as it is.
    """
    if not math.isfinite(value) or value.is_integer():
        return value + 0.0  # no minus before a zero
    short = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return short if math.isfinite(short) else value


def _digits(value: Any) -> str:
    kept = _kept(value)
    return f"{kept:.0f}" if kept.is_integer() and abs(kept) < 2**53 else repr(kept)
