"""The model that other tools open, and docs/other-tools.md, whose every line of code is run."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from looking_glass.gpt.checkpoint import MERGES_FILE, VOCAB_FILE, load_checkpoint, save_checkpoint
from looking_glass.gpt.model import GPT
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.interop import BUILT, SENTENCE, code_below, told
from tests.helpers.models import make_model

# Of a random model nothing is told on the page: what is a matter of rounding is below this.
ROUNDING = 1e-3
MEASURED: dict[str, str] = {}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> Path:
    """A folder with a `data/model`: the one that the pipeline made, else a small random one."""
    root = tmp_path_factory.mktemp("place")
    (root / "data").mkdir()
    if (BUILT / VOCAB_FILE).exists():
        (root / "data/model").symlink_to(BUILT)
    else:
        torch.manual_seed(0)
        model = make_model(vocab_size=50_257, block_size=64, n_embd=32)
        vocab, merges = tables
        save_checkpoint(
            root / "data/model", model.state_dict(), model.config, vocab=vocab, merges=merges
        )
    return root


@pytest.fixture(scope="session")
def ours(place: Path) -> GPT:
    return load_checkpoint(place / "data/model")


@pytest.fixture(scope="session")
def encoder(place: Path) -> Tokenizer:
    return Tokenizer(place / "data/model" / VOCAB_FILE, place / "data/model" / MERGES_FILE)


@pytest.fixture(scope="session")
def ids(encoder: Tokenizer) -> Tensor:
    """The tokens of the sentence, (1, T)."""
    return torch.tensor([encoder.encode(SENTENCE)])


@pytest.fixture(scope="session")
def logits(ours: GPT, ids: Tensor) -> Tensor:
    """What our own model says of the sentence, (1, T, V)."""
    logits: Tensor = ours(ids)
    return logits


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Return what runs the code below a heading of the page, in order; it returns the names."""

    def _run(heading: str) -> dict[str, Any]:
        monkeypatch.chdir(place)
        path = place / f"{heading.lower().replace(' ', '_')}.py"
        path.write_text(code_below(heading), "utf-8")
        return runpy.run_path(str(path))  # a file, since nnsight reads the code that it runs

    return _run


@pytest.fixture
def agrees() -> Callable[[str, Any, Any], None]:
    """Return what checks that two results differ by no more than the page tells, ten times."""

    def _agrees(label: str, theirs: Any, expected: Any) -> None:
        a, b = (torch.as_tensor(x).detach().double() for x in (theirs, expected))
        assert a.shape == b.shape
        difference = float((a - b).abs().max())
        MEASURED[label] = f"{difference:.0e}"
        limit = 10 * told(label) if BUILT.exists() else ROUNDING
        assert difference <= limit, label

    return _agrees


@pytest.fixture
def costs() -> Callable[[str, float], None]:
    """Return what checks that a trap costs as many nats as the page tells, within a twentieth."""

    def _costs(label: str, nats: float) -> None:
        MEASURED[label] = f"{nats:.3f}"
        if BUILT.exists():
            assert nats == pytest.approx(told(label), rel=0.05), label

    return _costs


@pytest.fixture(autouse=True)
def _repeatable() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.inference_mode(mode=False):
        yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what was measured, as the tables of the page tell it."""
    if MEASURED:
        which = "data/model" if BUILT.exists() else "a small random model: data/model is not built"
        terminalreporter.section(f"differences, with {which}")
        for label, value in MEASURED.items():
            terminalreporter.write_line(f"{label:60} {value}")
