"""A stage ends with what started it, and in one line when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from looking_glass.pipeline.stopping import StoppedError, adopts, starters_of, stoppable
from tests.helpers.project import ROOT

# A stage that is in the middle of a file when it says so, and would go on for long.
STAGE = """
import os, sys, time
from pathlib import Path
from looking_glass.pipeline.artifacts import whole_file
from looking_glass.pipeline.errors import run_stage
def main():
    with whole_file(Path("out.txt")) as partial:
        print(os.getpid(), flush=True)
        time.sleep(300)
run_stage(main)
"""
# What starts it as dvc does, itself or by a shell that waits for it.
DIRECT = ["sh", "-c", 'exec "$0" -c "$1"', sys.executable, STAGE]
WAITING = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, STAGE]
STARTER = "import subprocess, sys; subprocess.run(sys.argv[1:], env={env!r})"


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@pytest.mark.parametrize("command", [DIRECT, WAITING], ids=["direct", "in a shell that waits"])
def test_a_stage_ends_and_cleans_up_soon_after_the_dvc_that_started_it_was_killed(
    tmp_path: Path, command: list[str]
) -> None:
    code = STARTER.format(env=environment(DVC_STAGE="train", DVC_ROOT=str(tmp_path)))
    dvc = subprocess.Popen(
        [sys.executable, "-c", code, *command],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert dvc.stdout is not None
    stage = psutil.Process(int(dvc.stdout.readline()))
    assert len(list(tmp_path.iterdir())) == 1
    dvc.kill()
    _, said = dvc.communicate(timeout=60)  # which waits for the stage to close it
    assert said == (
        f"what started this stage (process {dvc.pid}) is gone: the stage is unfinished, "
        "run it again\n"
    )
    stage.wait(timeout=60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_a_stage_in_one_line_and_leaves_no_part(
    tmp_path: Path, number: signal.Signals, status: int, word: str
) -> None:
    stage = subprocess.Popen(
        # A program that a script starts in the background ignores Ctrl-C, and so would this one.
        [
            sys.executable,
            "-c",
            "import signal\nsignal.signal(2, signal.default_int_handler)" + STAGE,
        ],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stage.stdout is not None
    stage.stdout.readline()
    stage.send_signal(number)
    _, said = stage.communicate(timeout=60)
    assert (stage.returncode, said) == (status, f"{word}: the stage is unfinished, run it again\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not adopts(psutil.Process(1)), reason="the first process may be dvc's")
def test_a_stage_whose_dvc_died_while_it_was_importing_ends_too(tmp_path: Path) -> None:
    importing = (
        "import os, time\nparent = os.getppid()\nprint(flush=True)\n"
        "while os.getppid() == parent: time.sleep(0.01)\n"
        "os.dup2(2, 1)  # nobody reads the pipe any more\n"
    )
    code = STARTER.format(env=environment(DVC_STAGE="train"))
    code = code.replace("run(", "Popen(stdout=-1, args=") + ".stdout.readline()"
    dvc = subprocess.Popen(
        [sys.executable, "-c", code, sys.executable, "-c", importing + STAGE],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = dvc.communicate(timeout=60)
    assert said.endswith("is gone: the stage is unfinished, run it again\n"), said
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_disturb_the_first() -> None:
    before = signal.getsignal(signal.SIGTERM)
    done = []

    def told_twice() -> None:
        with stoppable():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)
                done.append("cleaned up")

    with pytest.raises(StoppedError, match="terminated") as caught:
        told_twice()
    assert done
    assert caught.value.status == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_that_was_to_be_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_who_starts_a_stage_by_hand_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    for mark in ("DVC_STAGE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(mark, raising=False)
    assert starters_of(psutil.Process()) == []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "of a torchrun that is not above this test")
    assert starters_of(psutil.Process()) == [psutil.Process().parent()]
