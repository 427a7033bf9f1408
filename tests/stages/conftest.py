"""A finished project to break, and a report that is quick."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from looking_glass.report import run
from looking_glass.text.forms import form_features
from looking_glass.text.reader import Reader
from looking_glass.text.tokenizer import Tokenizer
from looking_glass.training import token_table
from tests.helpers.report import NOTHING

FEATURES = functools.cache(form_features)


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are drawn and not painted: that takes most of the report's time."""
    monkeypatch.setattr(run, "paint", lambda _figure, _dpi: NOTHING)


@pytest.fixture
def read_once(tokenizer: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have GPT-2's tables read once for all stages, wherever they lie, and their forms too."""

    def take(self: Tokenizer, _vocab: Path, _merges: Path) -> None:
        vars(self).update(vars(tokenizer))

    monkeypatch.setattr(Tokenizer, "__init__", take)
    monkeypatch.setattr(token_table, "form_features", FEATURES)


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The finished project, to break; what `prepare` sets in the process is put back."""
    root = shutil.copytree(project, tmp_path / "p", symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", sys.argv)
    yield root
    torch.set_deterministic_debug_mode("default")
