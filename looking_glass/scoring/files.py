"""Where sentences come from and scores go to: files, or standard input and output."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from looking_glass.pipeline.artifacts import whole_file
from looking_glass.pipeline.errors import InputError


def open_lines(file: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Return standard input for `-`, else the file of that name, to be read as bytes.

    Raises `InputError` where there is no such file.
    """
    if file == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise InputError(
            f"{file}: a file of sentences, one a line, is required ({error.strerror}): correct its "
            "name, or give - for standard input"
        ) from None


@contextlib.contextmanager
def open_table(path: Path | None) -> Iterator[TextIO]:
    """Yield what to write text to: standard output, or a file that is there once it is whole."""
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        return
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as table:
        yield table
