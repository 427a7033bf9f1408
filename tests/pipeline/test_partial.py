"""What is half-written bears its writer's number, is no one's output, and does not pile up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from looking_glass.pipeline.partial import partial_directory, partial_file
from tests.helpers.project import ROOT, command

# A writer of a file and of a directory that is killed half-way through both.
KILLED = """
import os, signal
from pathlib import Path
from looking_glass.pipeline.partial import partial_directory, partial_file
with partial_file(Path("a.csv")) as file, partial_directory(Path("a")) as directory:
    file.write_text("half")
    (directory / "b.bin").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_writer_of_an_output_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, check=False)
    assert len(list(tmp_path.iterdir())) == 2
    with partial_file(tmp_path / "a.csv") as mine, partial_file(tmp_path / "a.csv") as other:
        # Another output of a name that begins alike, and a writer that lives, are left alone.
        left = {path.name.rpartition(".partial")[0].split(".")[1] for path in tmp_path.iterdir()}
        assert left == {"a"}
        assert {mine, other} < set(tmp_path.iterdir())
        assert len(list(tmp_path.iterdir())) == 3
    with partial_directory(tmp_path / "a") as directory:
        assert list(tmp_path.iterdir()) == [directory]
    assert list(tmp_path.iterdir()) == []


def test_neither_git_nor_dvc_looks_at_a_part() -> None:
    parts = [
        "data/attention/.first.123.ab_cd12x.partial/patterns.safetensors",
        "metrics/.train.json.123.ab_cd12x.partial",
        "reports/.figures.123.ab_cd12x.partial/loss.png",
    ]
    assert command(ROOT, "git", "check-ignore", *parts).stdout.splitlines() == parts
    assert command(ROOT, "dvc", "check-ignore", *parts).stdout.splitlines() == parts
