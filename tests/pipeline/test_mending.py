"""What a killed dvc leaves damaged is mended, told in a line, and never while a dvc runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo

from looking_glass.pipeline import mending
from looking_glass.pipeline.errors import InputError

LOCK = """\
schema: '2.0'
stages:
  train:
    cmd: python -m stages.train
    outs:
    - path: data/model
      size: 1
"""
RWLOCK = {"read": {"/data": [{"pid": 1, "cmd": "dvc repro"}]}, "write": {}}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    monkeypatch.chdir(tmp_path)
    with Repo.init(no_scm=True) as made:
        mending.LOCK.write_text(LOCK)
        yield made


def test_what_is_whole_is_left_alone_in_silence(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    for rwlock in ({}, {"read": {"/data": [{"pid": 2**22 + 1, "cmd": "dvc"}]}}):
        mending.RWLOCK.write_text(json.dumps(rwlock))
        mending.main()
        assert mending.RWLOCK.exists()
    mending.LOCK.unlink()
    mending.RWLOCK.unlink()
    mending.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("rwlock", "line"),
    [
        *((text, "damaged") for text in ("", '{"read": {', "[]", '{"read": {"/data": [{}]}}')),
        (json.dumps(RWLOCK), "names the process 1, which is none of dvc's"),
    ],
)
def test_an_rwlock_that_would_stop_dvc_is_removed(
    repo: Repo, capsys: pytest.CaptureFixture[str], rwlock: str, line: str
) -> None:
    mending.RWLOCK.write_text(rwlock)
    mending.main()
    told = f".dvc/tmp/rwlock: {line}, as a killed dvc leaves it: removed\n"
    assert capsys.readouterr().out == told
    assert not mending.RWLOCK.exists()
    assert mending.LOCK.read_text() == LOCK


@pytest.mark.parametrize("kept", [0, 3, 30, len(LOCK) - 2])
def test_half_of_dvc_lock_is_laid_aside(
    repo: Repo, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    mending.LOCK.write_text(LOCK[:kept])
    mending.main()
    assert capsys.readouterr().out.startswith("dvc.lock: damaged, as a killed dvc leaves it: moved")
    assert not mending.LOCK.exists()
    assert mending.ASIDE.read_text() == LOCK[:kept]


def test_a_conflict_that_git_marked_is_left_to_a_person(repo: Repo) -> None:
    conflict = f"<<<<<<< HEAD\n{LOCK}=======\n>>>>>>> other\n"
    mending.LOCK.write_text(conflict)
    mending.main()
    assert mending.LOCK.read_text() == conflict


def test_nothing_is_touched_while_a_dvc_works_or_its_stage_runs(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mending.RWLOCK.write_text("")
    stage = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        env={**os.environ, "DVC_ROOT": str(Path.cwd())},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        with pytest.raises(InputError, match=r"rwlock: damaged, and may .* only while no dvc runs"):
            mending.main()
    finally:
        stage.communicate(b"\n")
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.1)
    holder = "from dvc.repo import Repo\nwith Repo().lock: print(flush=True), input()"
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InputError, match="only while no dvc runs"):
            mending.main()
        other.communicate(b"\n")
    assert mending.RWLOCK.read_text() == ""
