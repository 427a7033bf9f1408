"""What docs/python.md and the notebook tell runs as it stands, on a tiny model."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch

from tests.helpers.project import ROOT

NOTEBOOK: dict[str, Any] = json.loads((ROOT / "docs/looking_inside.ipynb").read_text("utf-8"))
PAGE = (ROOT / "docs/python.md").read_text("utf-8")


def run(pieces: list[str], where: str) -> dict[str, Any]:
    """Run pieces of code one after the other, as a reader would, and return what they defined."""
    names: dict[str, Any] = {}
    for number, piece in enumerate(pieces, start=1):
        exec(compile(piece, f"{where}, piece {number}", "exec"), names)
    return names


def test_the_code_of_the_page_runs(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL), "python.md")
    assert names["row"].sum() == pytest.approx(1, abs=1e-5)
    assert names["every"].shape == (4, 10)
    losses = names["found"].losses
    assert losses[-1].min() < losses[0].min() - 1, "learned, if not exactly"
    assert "nowhere/config.json: a GPT-2 checkpoint is required" in capsys.readouterr().out


def test_the_notebook_runs(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("agg")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    code = ["".join(c["source"]) for c in NOTEBOOK["cells"] if c["cell_type"] == "code"]
    names = run(code, "looking_inside.ipynb")
    assert torch.allclose(names["shares"].sum(dim=1), torch.ones(2), atol=1e-5)
    assert len(names["words"]) == 12
    assert len(names["scored"]) == 3
    names["plt"].close("all")


def test_the_notebook_is_kept_without_what_it_printed() -> None:
    assert (NOTEBOOK["nbformat"], len({cell["id"] for cell in NOTEBOOK["cells"]})) == (
        4,
        len(NOTEBOOK["cells"]),
    )
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
