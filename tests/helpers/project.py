"""A tiny project for the tests: the whole DAG on a text that it brings along, and how to run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
# What a project is made of, beside its books and what has run.
FOLDERS = ("looking_glass", "stages")
FILES = ("dvc.yaml", "params.yaml", ".dvcignore", "CITATION.cff")
# Enough of a story for a block and its targets, told by the test itself.
TEXT = "CHAPTER I.\n\n" + "\n\n".join(
    f"The {who} saw a {what} by the river. It was late, and the {who} went home; 'Oh dear!' said\n"
    f"the {what} to the {who}, and so they walked on."
    for who in ("cat", "queen", "old hatter", "duchess")
    for what in ("rabbit", "mouse", "white king", "tortoise")
)
TEN = "The cat saw a mouse by the river. It"  # nine words: one more is wanted
EVERY_STAGE = [
    "download",
    "encode",
    "train",
    "evaluate",
    "invert",
    "choose",
    "attention@first",
    "attention@last",
    "yardstick",
    "logprob",
    "live",
    "export",
    "report",
]
# Told to write down each file of the pipeline's that Python opens, by stage.
AUDIT = """
import os, sys
log = open(os.environ["AUDIT_LOG"], "a", buffering=1)
def hook(event, args):
    if event == "open" and isinstance(args[0], (str, os.PathLike)):
        path = os.path.relpath(args[0])
        if path.startswith(("data/", "metrics/", "reports/")):
            log.write(f"{sys.orig_argv[2:]!r}|{args[1]}|{path}\\n")
sys.addaudithook(hook)
"""


def edit(root: Path, **changes: Any) -> None:
    """Change keys of params.yaml, each named by its path with __ between the parts."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        *sections, key = dotted.split("__")
        place = params
        for section in sections:
            place = place[section]
        place[key] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def command(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        words,
        cwd=root,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def repro(root: Path, *words: str, **environment: str) -> list[str]:
    """Run `dvc repro`; return the stages that it ran."""
    done = command(root, "dvc", "repro", *words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"Running stage '(.+?)'", done.stdout)


def changed(root: Path) -> list[str]:
    """Return the stages whose parameters, code or inputs are no longer as they were, in order."""
    done = command(root, "dvc", "status", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(json.loads(done.stdout), key=EVERY_STAGE.index)


def main_of(module: Any, *arguments: str) -> Callable[[], None]:
    """Return a stage's `main` as it runs from the command line with these arguments."""

    def main() -> None:
        sys.argv = [module.__name__, *arguments]
        module.main()

    return main


def lay_out(root: Path, tables: tuple[Path, Path]) -> None:
    """Make a copy of the project in `root`, with a tiny text and a tiny model; nothing has run."""
    root.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, root / name)
    (root / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks/held_out.csv", root / "benchmarks/held_out.csv")
    (root / "books").mkdir()
    shutil.copy(ROOT / "books/README.md", root / "books/README.md")
    (root / "books/book.txt").write_text(TEXT)
    local = {"path": "books/book.txt", "sha256": None}
    edit(
        root,
        compute__threads=1,
        download__source="local",
        download__book__local=local,
        download__tables_source="local",
        download__vocab__local={"path": str(tables[0])},
        download__merges__local={"path": str(tables[1])},
        encode__stop_before=None,
        model__n_layer=2,
        model__n_head=2,
        model__n_embd=32,
        train__steps=60,
        train__warmup_steps=5,
        train__learning_rate=5e-3,
        train__matrix_rate=5e-3,
        train__weight_decay=0.3,
        train__embedding_decay=0.05,
        train__batch_size=8,
        train__noise=0.02,
        train__evaluate_every=20,
        invert__parallel__steps=20,
        invert__parallel__restarts=2,
        invert__prefix__steps=5,
        invert__prefix__restarts=2,
        invert__search={"steps": 2, "candidates": 4},
        invert__noise_trials=4,
        attention__prompts=[TEN + " was", 'It was late, and the "duchess"  went home to 🐿️'],
        attention__contexts=4,
        attention__context_words=3,
        logprob__max_tokens=30,
        logprob__samples=20,
        report__dpi=50,
    )
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert command(root, *words).returncode == 0
    shutil.copytree(ROOT / ".dvc/plots", root / ".dvc/plots")


def build(root: Path, tables: tuple[Path, Path]) -> None:
    """Make a copy of the project in `root` that has run once, on a tiny text with a tiny model."""
    lay_out(root, tables)
    audit = root / "audit"
    audit.mkdir()
    (audit / "sitecustomize.py").write_text(AUDIT)
    ran = repro(root, PYTHONPATH=str(audit), AUDIT_LOG=str(root / "opened.txt"))
    assert ran == EVERY_STAGE
