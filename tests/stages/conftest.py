"""A finished project to break, and a report that is quick."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from looking_glass.report import run


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are drawn and not painted: that takes most of the report's time."""
    monkeypatch.setattr(run, "to_png", lambda _figure, _dpi: b"")


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The finished project, to break; what `prepare` sets in the process is put back."""
    root = shutil.copytree(project, tmp_path / "p", symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", sys.argv)
    yield root
    torch.set_deterministic_debug_mode("default")
