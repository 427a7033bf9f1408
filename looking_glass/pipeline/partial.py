"""A place beside an output to write to, until what is written there is whole.

Its name says that it is a part (`.NAME.PROCESS.xxxxxxxx.partial`, which neither git nor DVC looks
at) and whose. A process that was killed leaves its parts behind; whoever writes the same output
next removes them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_SUFFIX = ".partial"


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path`, whose folder is made; remove it if it is still there."""
    _remove_left_over(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=_SUFFIX)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def partial_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`, as `partial_file` does a file."""
    _remove_left_over(path)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path), suffix=_SUFFIX))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _prefix(path: Path) -> str:
    return f".{path.name}.{os.getpid()}."


def _remove_left_over(path: Path) -> None:
    """Make the folder of `path`; remove from it the parts of this output whose writer is dead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.\w+{re.escape(_SUFFIX)}")
    for beside in path.parent.iterdir():
        part = name.fullmatch(beside.name)
        if part and not psutil.pid_exists(int(part[1])):
            if beside.is_dir():
                shutil.rmtree(beside, ignore_errors=True)
            else:
                beside.unlink(missing_ok=True)
