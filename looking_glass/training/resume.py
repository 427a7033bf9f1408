"""A place outside DVC's outputs where an unfinished run keeps its state.

DVC deletes a stage's outputs before it runs the stage, so nothing there can be resumed. What is
saved here is found again only by the fingerprint of everything that the run depends on: a changed
parameter, text or line of code never goes on from another run.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from looking_glass.pipeline.artifacts import whole_file


def fingerprint(parts: Iterable[bytes]) -> str:
    """Return a SHA-256 of `parts` in their order, each told apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


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
