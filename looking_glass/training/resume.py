"""A place outside DVC's outputs where an unfinished run keeps its state.

DVC deletes a stage's outputs before it runs the stage, so nothing there can be resumed. What is
saved here is found again only by the fingerprint of everything that the run depends on: a changed
parameter, text or line of code never goes on from another run.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from looking_glass.pipeline.artifacts import whole_file
from looking_glass.pipeline.params import Section


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
        self._file = self.folder / "state.pt"

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last; None when there is none."""
        if not self._file.exists():
            return None
        state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Save `state` in place of the one before; a process killed meanwhile leaves that one."""
        with whole_file(self._file) as partial:
            torch.save(state, partial)

    def clear(self) -> None:
        """Forget the run: it has finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
