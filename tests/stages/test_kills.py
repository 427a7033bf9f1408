"""A run that was killed needs no hand. `benchmarks/kills.py` kills at many moments."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.kills import MEND, REPRO, hashes, processes_of, start, to_run_again
from tests.helpers.project import command, repro


@pytest.fixture
def killed(project: Path, tmp_path: Path) -> Path:
    root = tmp_path / "killed"
    to_run_again(project, root, "encode")
    return root


def in_encode(root: Path) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """Start `dvc repro`; return it and its stage as soon as that runs."""
    dvc = start(root)
    while not (running := processes_of(dvc.pid)):
        assert dvc.poll() is None
        time.sleep(0.01)
    return dvc, running[-1]


def test_what_a_killed_dvc_leaves_running_ends_before_the_next_run_writes(
    project: Path, killed: Path
) -> None:
    dvc, stage = in_encode(killed)
    dvc.kill()
    dvc.wait()
    # The stage was importing, so that it ends as soon as it looks.
    stage.wait(timeout=60)
    assert not (killed / "data/tokens").exists()
    assert repro(killed) == ["encode"]
    assert hashes(killed) == hashes(project)


def test_what_a_killed_dvc_left_half_written_is_mended_and_nothing_runs_for_it(
    project: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    for name in ("dvc.lock", ".dvc/tmp/rwlock"):
        (root / name).write_bytes(b"")
    assert command(root, *REPRO).returncode != 0, "DVC mends it itself: mending can go"
    mended = command(root, *MEND)
    assert (mended.returncode, mended.stdout.count("\n")) == (0, 2), mended.stderr
    # All is restored from DVC's memory of runs, which leaves out a stage whose outputs git keeps.
    assert set(repro(root)) <= {"report"}
    assert hashes(root) == hashes(project)
