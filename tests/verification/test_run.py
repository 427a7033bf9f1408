"""`make verify` runs what is committed, apart from what lies here, and ends in a number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.verification.run import committed_copy, committed_files, fresh_run
from looking_glass.verification.verdict import DIFFERS, SAME_BYTES, SAME_NUMBERS
from tests.helpers.project import ROOT

RUN = """#!/bin/sh
[ -e fails ] && exit 255
printf '{"loss": %s}\\n' "$(cat loss)" > metrics/train.json
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with a run whose results are committed; `dvc` writes them again."""
    root, programs = tmp_path / "a project", tmp_path / "bin"
    for folder in (root / "metrics", root / "reports", programs):
        folder.mkdir(parents=True)
    (programs / "dvc").write_text(RUN)
    (programs / "dvc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    (root / "loss").write_text("4.6637")
    (root / "metrics/train.json").write_text('{"loss": 4.6637}\n')
    (root / "reports/.gitignore").write_text("/x\n")
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "run")


def verify(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.verify", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_a_run_with_the_same_bytes_leaves_nothing(project: Path) -> None:
    (project / "metrics/train.json").write_text("what lies here is neither used nor touched")
    done = verify(project)
    assert (done.returncode, done.stdout) == (SAME_BYTES, "the same bytes: 1 files\n")
    assert not (project / ".verify").exists()
    assert (project / "metrics/train.json").read_text().startswith("what lies here")


@pytest.mark.parametrize(("loss", "status"), [("4.6638", SAME_NUMBERS), ("4.7", DIFFERS)])
def test_a_run_that_differs_stays_to_be_looked_at(project: Path, loss: str, status: int) -> None:
    (project / "loss").write_text(loss)
    commit(project)
    done = verify(project)
    assert done.returncode == status
    assert "the run is in .verify/run" in done.stdout
    assert loss in (project / ".verify/run/metrics/train.json").read_text()


def test_what_lies_here_can_be_compared(project: Path) -> None:
    (project / "metrics/train.json").write_text('{"loss": 4.7}\n')
    done = verify(project, "--here")
    assert done.returncode == DIFFERS
    assert "metrics/train.json: loss: committed 4.6637, found 4.7" in done.stdout


def test_a_run_that_fails_is_no_comparison(project: Path) -> None:
    (project / "fails").touch()
    commit(project)
    with pytest.raises(InputError, match="the run failed with status 255"):
        fresh_run(project, project / ".verify")


def test_without_a_commit_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a git repository with a commit"):
        committed_files(tmp_path)


def test_the_copy_is_the_commits_and_goes_away(project: Path) -> None:
    (project / "metrics/train.json").unlink()
    with committed_copy(project, project / ".verify") as copy:
        assert (copy / "metrics/train.json").read_text() == '{"loss": 4.6637}\n'
    assert not copy.exists()
