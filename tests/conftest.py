"""What tests of several rooms share: the BPE tables, a tokenizer, a project that has run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Nothing in the tests may ask a model hub for anything; transformers reads this at import.
os.environ["HF_HUB_OFFLINE"] = "1"
# The models here are tiny: a second thread would only wait for the first.
os.environ["OMP_NUM_THREADS"] = "1"
# tiktoken leaves no copies of tables in the temporary folder.
os.environ["TIKTOKEN_CACHE_DIR"] = ""

from importlib.util import find_spec

import pytest
import torch
import yaml
from filelock import FileLock

from looking_glass.gpt.model import GPT
from looking_glass.text.fetching import fetch_all
from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader
from looking_glass.text.sources import DownloadParams
from tests.helpers import project as tiny_project
from tests.helpers.models import make_model
from tests.helpers.project import ROOT

# Other tools are tested where they are installed: make interop.
collect_ignore = [] if find_spec("transformer_lens") else ["interop"]
CACHE = ROOT / ".pytest_cache" / "tables"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest file first, which builds the project, and what waits for that one last."""

    def turn(item: pytest.Item) -> int:
        if item.path.name == "test_pipeline.py":
            return 0
        return 2 if "project" in getattr(item, "fixturenames", ()) else 1

    turns: dict[Path, int] = {}
    for item in items:  # a file stays together: one process runs it
        turns[item.path] = max(turn(item), turns.get(item.path, 0))
    items.sort(key=lambda item: turns[item.path])


@pytest.fixture(scope="session")
def tables() -> tuple[Path, Path]:
    """GPT-2's encoder.json and vocab.bpe: from data/ when there, else downloaded once."""
    names = ("encoder.json", "vocab.bpe")
    if all((ROOT / "data" / name).exists() for name in names):
        return ROOT / "data" / names[0], ROOT / "data" / names[1]
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):
        if not all((CACHE / name).exists() for name in names):
            section = yaml.safe_load((ROOT / "params.yaml").read_text())["download"]
            sources = DownloadParams.model_validate(section).sources()
            fetch_all({name: sources[name] for name in names}, CACHE)
    return CACHE / names[0], CACHE / names[1]


@pytest.fixture(scope="session")
def tokenizer(tables: tuple[Path, Path]) -> Reader:
    """GPT-2's own, of an English text whose words stand between spaces."""
    return Reader(*tables, TextParams(language="en", words="spaces"))


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
