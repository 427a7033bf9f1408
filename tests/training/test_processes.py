"""Training on several processes: real ones, started by torchrun, beside a process alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from looking_glass.pipeline.artifacts import read_csv
from looking_glass.pipeline.errors import InputError
from looking_glass.text.corpus import Corpus, write_corpus
from looking_glass.training import processes
from looking_glass.training.processes import (
    ALONE,
    Processes,
    process_group,
    reported_once,
)
from tests.helpers.project import ROOT

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
MADE = ("data/model/model.safetensors", "metrics/train.json", "data/tables/train/loss.csv")


@pytest.fixture
def root(tmp_path: Path, tables: tuple[Path, Path]) -> Path:
    """A place where the train stage can run: a circle of fifty tokens, and a tiny model."""
    for name in ("looking_glass", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "data/tokens").mkdir(parents=True)
    for table in tables:
        shutil.copy(table, tmp_path / "data" / table.name)
    tokens = (np.arange(400) ** 2 % 50 + 300).astype(np.uint16)
    text = Corpus(train=tokens[:340], val=tokens[340:], vocab_size=50_257, val_bytes=60)
    write_corpus(tmp_path / "data/tokens", text)
    change(tmp_path)
    return tmp_path


def change(root: Path, dropout: float = 0.0, **train: object) -> None:
    """Write params.yaml with a tiny model, and these changes to its section train."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["compute"] = {"device": "cpu", "threads": 1, "portable": False}
    params["model"] |= {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 8}
    params["model"] |= {"dropout": dropout, "embedding_dropout": dropout}
    tiny = {"steps": 12, "batch_size": 8, "evaluate_every": 4, "discount": 0, "keep": "last"}
    params["train"] |= {**tiny, "learning_rate": 1e-2, **train}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def launch(root: Path, *launcher: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *launcher, "-m", "stages.train"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


class Nodes:
    """Two machines, as far as a folder and torchrun of its own make one; they meet at a port."""

    def __init__(self, root: Path, other: Path) -> None:
        """Let the one in `root` be the first, and a copy of it in `other` the second."""
        shutil.copytree(root, other, symlinks=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        meeting = ("--nnodes=2", "--master-addr=127.0.0.1", f"--master-port={port}")
        own = ("--nproc_per_node=1", "-m", "stages.train")
        self.first, self.second = (
            subprocess.Popen(
                [sys.executable, *TORCHRUN[:2], *meeting, f"--node-rank={rank}", *own],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # torchrun and all that it starts can be killed together
            )
            for rank, folder in enumerate((root, other))
        )


def files_of(root: Path) -> dict[str, bytes]:
    """Return what a machine holds beside the code, byte by byte."""
    found = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_two_machines_learn_what_one_process_does_and_only_one_speaks_and_writes(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert launch(root).returncode == 0
    alone = read_csv(root / MADE[2]).to_numpy()
    change(root, accumulate=2)
    for name in ("data/model", "data/tables"):
        shutil.rmtree(root / name)
    second = tmp_path_factory.mktemp("nodes") / "second"
    before, nodes = files_of(root), Nodes(root, second)
    said, complained = nodes.first.communicate(timeout=120)
    assert nodes.first.returncode == 0, complained
    also, complained = nodes.second.communicate(timeout=120)
    assert nodes.second.returncode == 0, complained
    assert files_of(second) == before
    assert said.count("training ") == 1
    assert said.count("step ") == 3
    assert also == ""
    assert json.loads((root / MADE[1]).read_text())["kept_step"] == 12
    assert not list((root / ".scratch").iterdir())
    assert alone[0, 1] - alone[-1, 1] > 0.5, "something was learned"
    np.testing.assert_allclose(read_csv(root / MADE[2]).to_numpy(), alone, atol=1e-4)


def test_a_run_that_lost_a_machine_says_so_and_goes_on_to_the_same_bytes(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    change(root, dropout=0.2, discount=0.75, steps=24)
    assert launch(root, *TORCHRUN).returncode == 0
    expected = [(root / name).read_bytes() for name in MADE]
    shutil.rmtree(root / "data/model")

    nodes = Nodes(root, tmp_path_factory.mktemp("nodes") / "second")
    assert nodes.first.stdout is not None
    for line in nodes.first.stdout:
        if "step     4/" in line:
            break
    os.killpg(nodes.second.pid, signal.SIGKILL)
    nodes.second.communicate(timeout=60)
    _, complained = nodes.first.communicate(timeout=60)
    assert nodes.first.returncode != 0
    assert "error: this process requires 1 others, and lost one: see" in complained
    assert not (root / "data/model").exists()

    resumed = launch(root, *TORCHRUN)
    assert "going on from step " in resumed.stdout, resumed.stderr
    assert [(root / name).read_bytes() for name in MADE] == expected


def test_bad_input_is_reported_once(root: Path) -> None:
    change(root, batch_size=7)
    done = launch(root, *TORCHRUN)
    assert done.returncode != 0
    (line,) = (line for line in done.stderr.splitlines() if "error: " in line)
    assert "divisible by train.accumulate times the number of processes, got 7, 1 and 2" in line
    assert not (root / "data/model").exists()


def test_an_error_of_one_process_alone_is_spoken_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)

    @reported_once
    def main() -> None:
        raise InputError("a GPU is required")

    for launched, expected in (False, []), (True, [processes.PATIENCE]):
        if launched:
            monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
            monkeypatch.setenv("RANK", "1")
        with pytest.raises(InputError, match="a GPU is required"):
            main()
        assert waited == expected


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    for name, value in zip(names, ("x", "2", "2", "1"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(InputError, match="got 2 processes and 1 GPUs"),
        process_group(torch.device("cuda")),
    ):
        pass
    with (
        pytest.raises(InputError, match="require cpu or cuda, got mps"),
        process_group(torch.device("mps")),
    ):
        pass


def test_machines_that_differ_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(found: list[str], own: str) -> None:
        found[:] = ["this text", own, "this text"]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    Processes(rank=1, size=3).require_same("this text")
    ALONE.require_same("whatever")
    with pytest.raises(InputError, match="as process 0, got others in 1 of 0 to 2: git pull"):
        Processes(rank=1, size=3).require_same("another text")


def test_slices_are_contiguous_and_make_the_whole() -> None:
    batch = torch.arange(12).view(6, 2)
    slices = [Processes(rank=rank, size=3).slice(batch) for rank in range(3)]
    assert torch.equal(torch.cat(slices), batch)
    assert torch.equal(ALONE.slice(batch), batch)


def test_only_the_first_process_keeps_its_generator_and_no_two_draw_alike() -> None:
    def draw(rank: int, step: int) -> list[float]:
        torch.manual_seed(0)
        Processes(rank=rank, size=3).reseed(1, step)
        return torch.rand(4).tolist()

    draws = [tuple(draw(rank, step)) for rank in range(3) for step in (4, 8)]
    assert len(set(draws)) == 5, "the first alone draws the same after any step"
    assert draw(2, 8) == draw(2, 8)
