"""What several test modules share: the BPE tables, and models too small to be slow."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Nothing in the tests may ask a model hub for anything; transformers reads this at import.
os.environ["HF_HUB_OFFLINE"] = "1"
# The models here are tiny: a second thread would only wait for the first.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
import yaml
from filelock import FileLock

from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.text.sources import DownloadParams, fetch_all
from tests import tiny_project
from tests.tiny_project import ROOT

CACHE = ROOT / ".pytest_cache" / "tables"


@pytest.fixture(scope="session")
def tables() -> tuple[Path, Path]:
    """GPT-2's encoder.json and vocab.bpe: from data/ when there, else downloaded once."""
    names = ("encoder.json", "vocab.bpe")
    for folder in (ROOT / "data", CACHE):
        if all((folder / name).exists() for name in names):
            return folder / names[0], folder / names[1]
    section = yaml.safe_load((ROOT / "params.yaml").read_text())["download"]
    sources = DownloadParams.model_validate(section).sources()
    CACHE.mkdir(parents=True, exist_ok=True)
    for name, content in fetch_all({name: sources[name] for name in names}).items():
        (CACHE / name).write_bytes(content)
    return CACHE / names[0], CACHE / names[1]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> Path:
    """A project of the test's own that has run once: built by the first process that asks."""
    mine = tmp_path_factory.mktemp("mine")
    shared = mine.parent.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    with FileLock(shared / "project.lock"):
        if not (shared / "built").exists():
            tiny_project.build(shared / "project", tables)
            (shared / "built").touch()
    return shutil.copytree(shared / "project", mine / "copy", symlinks=True)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tiny() -> GPT:
    """A model with the real vocabulary, drawn wide enough that its logits differ."""
    return make_model(vocab_size=50_257)


def make_model(**changes: int | float | bool) -> GPT:
    """Return a small model in eval mode whose weights are ten times as wide as a fresh one's."""
    shape = {"vocab_size": 97, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 8}
    model = GPT(GPTConfig(**{**shape, **changes}))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.requires_grad_(False)
    return model.eval()
