"""The committed run and a fresh one, side by side."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from looking_glass.pipeline.errors import InputError

RESULTS = ("metrics", "reports")  # what git keeps of a run


def committed_files(root: Path) -> list[str]:
    """Return what the last commit of the repository at `root` has of a run's results."""
    listed = _git(root, "ls-tree", "-r", "-z", "--name-only", "HEAD", *RESULTS)
    names = listed.decode().split("\0")
    return [name for name in names if name and not name.endswith(".gitignore")]


@contextmanager
def committed_copy(root: Path, at: Path) -> Iterator[Path]:
    """Yield a directory with the last commit's results; it is gone afterwards."""
    at.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=at) as name:
        archive = _git(root, "archive", "--format=tar", "HEAD", *RESULTS)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(name, filter="data")
        yield Path(name)


def fresh_run(root: Path, at: Path) -> Path:
    """Run the last commit from nothing, in a clone under `at`, and return the clone.

    Neither the working tree nor its cache is used or touched. Raises `InputError` when the run
    fails.
    """
    clone = at / "run"
    if clone.exists():
        shutil.rmtree(clone)
    _git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(clone.resolve()))
    # An editable root on the path would take the clone's place.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    dvc = _program("dvc")
    done = subprocess.run([dvc, "repro"], cwd=clone, env=surroundings)  # noqa: S603
    if done.returncode:
        raise InputError(f"{clone}: the run failed with status {done.returncode}: see above")
    return clone


def _git(root: Path, *arguments: str) -> bytes:
    command = [_program("git"), "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True)  # noqa: S603
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        raise InputError(f"verify needs a git repository with a commit, got: {told}")
    return done.stdout


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InputError(f"verify needs {name}, which is not on PATH: run it as make verify")
    return found
