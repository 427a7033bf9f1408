"""A place outside DVC's outputs where an unfinished run keeps its state.

DVC deletes a stage's outputs before it runs the stage, so nothing there can be resumed. What is
saved here is found again only by the fingerprint of everything that the run depends on: a changed
parameter, text or line of code never goes on from another run. A state that cannot be read counts
as none. Of runs that were abandoned the newest few are kept, in case their parameters come back.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from looking_glass.pipeline.artifacts import whole_file
from looking_glass.pipeline.errors import shorten
from looking_glass.pipeline.params import Section

ABANDONED = 3  # states of other runs that are kept: each is about four times as large as the model
_FILE = "state.pt"
# What `torch.load` raises on an empty file, one of other content, and half of one.
_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError)


def fingerprint(sections: Sequence[Section], files: Iterable[Path], n_processes: int) -> str:
    """Return a SHA-256 of all that decides how a run goes: an identity that no other run has.

    That is sections of parameters, the content of files, PyTorch's version, the number of
    processes, and the code of whatever of this package is imported now.
    """
    settings = [section.model_dump_json().encode() for section in sections]
    machinery = [torch.__version__.encode(), str(n_processes).encode()]
    digest = hashlib.sha256()
    for part in (*machinery, *settings):
        digest.update(hashlib.sha256(part).digest())  # of one length: no two lists give the same
    for path in (*files, *_code()):
        with path.open("rb") as content:  # a text may be longer than memory
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _code() -> list[Path]:
    package = __name__.partition(".")[0]
    modules = [module for name, module in sys.modules.items() if name.startswith(package)]
    return sorted(Path(module.__file__) for module in modules if module.__file__)


class Scratch:
    """The saved state of one run, in a folder named by its fingerprint."""

    def __init__(self, root: Path, fingerprint: str) -> None:
        self.folder = root / fingerprint
        self._file = self.folder / _FILE

    def load(self, like: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the state that was saved last; None when there is none.

        One that cannot be read, or whose keys or shapes are not those of `like`, is removed and
        counts as none; a line says so.
        """
        if not self._file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        except _UNREADABLE as error:
            problem = shorten(" ".join(str(error).split()) or type(error).__name__)
        else:
            problem = "" if like is None else _difference(state, like)
            if not problem:
                return state
        print(f"{self._file}: no state to go on from ({problem}): training starts anew")
        self.clear()
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Save `state` in place of the one before; a process killed meanwhile leaves that one.

        So does a machine that stops: the bytes are on the disk before they bear the name. Raises
        `OSError` when the disk takes no more.
        """
        with whole_file(self._file) as partial:
            try:
                torch.save(state, partial)
            except RuntimeError as error:  # PyTorch's own word for a write that failed
                raise OSError(errno.ENOSPC, "the state could not be written") from error
            with partial.open("rb") as written:
                os.fsync(written.fileno())
        self._forget_abandoned()

    def clear(self) -> None:
        """Forget the run: it has finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget_abandoned(self) -> None:
        """Remove the states of other runs, but for the newest."""
        others = [one for one in self.folder.parent.iterdir() if one.is_dir()]
        others = sorted((one for one in others if one != self.folder), key=_saved_at)
        for folder in others[: max(0, len(others) - ABANDONED)]:
            shutil.rmtree(folder, ignore_errors=True)


def _saved_at(folder: Path) -> float:
    file = folder / _FILE
    return file.stat().st_mtime if file.exists() else 0.0


def _difference(state: object, like: Mapping[str, Any]) -> str:
    """Return how a state is not one of the run that would now give `like`; empty where it is."""
    if not isinstance(state, dict) or set(state) != set(like):
        return "it has other keys"
    learned = state["learned"]
    if not isinstance(learned, dict) or set(learned) != set(like["learned"]):
        return "it is of other weights"
    for name, weight in like["learned"].items():
        if getattr(learned[name], "shape", None) != weight.shape:
            return f"{name} has another shape"
    return ""
