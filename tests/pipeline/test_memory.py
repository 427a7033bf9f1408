"""What there is of memory is found, and too little is told before it is taken."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from looking_glass.pipeline import memory
from looking_glass.pipeline.errors import InputError

CPU = torch.device("cpu")


def group(folder: Path, version: int, most: str, used: int, cached: int) -> None:
    """Write what Linux shows of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    limit, usage = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    prefix = "" if version == 2 else "total_"
    (folder / limit).write_text(f"{most}\n")
    (folder / usage).write_text(f"{used}\n")
    stat = f"anon 5\n{prefix}inactive_file {cached}\n{prefix}active_file 1\n"
    (folder / "memory.stat").write_text(stat)


@pytest.mark.parametrize("version", [1, 2])
def test_every_group_above_counts_and_cached_files_are_given_back(
    tmp_path: Path, version: int
) -> None:
    own = tmp_path / "own"
    own.write_text("0::/a/b\n" if version == 2 else "9:name=systemd:/\n4:cpu,memory:/a/b\n")
    top = tmp_path if version == 2 else tmp_path / "memory"
    group(top / "a/b", version, "1000", 700, 99)
    group(top / "a", version, "900", 850, 9)
    group(tmp_path / "elsewhere", version, "1", 1, 0)
    assert list(memory._left_by_cgroups(tmp_path, own)) == [400, 60]


def test_a_group_without_a_limit_or_of_which_nothing_is_told_limits_nothing(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own"
    assert list(memory._left_by_cgroups(tmp_path, own)) == []
    own.write_text("0::/a\n3:cpu:/a\n")
    group(tmp_path / "a", 2, "max", 5, 0)
    (tmp_path / "memory.max").write_text("7")
    assert list(memory._left_by_cgroups(tmp_path, own)) == []


def test_the_least_counts_of_the_machine_and_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(memory, "_left_by_cgroups", lambda: iter([2000]))
    assert memory.available(CPU) == 1000
    monkeypatch.setattr(memory, "_left_by_cgroups", lambda: iter([2000, 300]))
    assert memory.available(CPU) == 300


def test_of_a_gpu_its_own_memory_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    assert memory.available(torch.device("cuda", 0)) == 123


def test_what_this_machine_has_is_a_number_of_bytes() -> None:
    assert 1_000_000 < memory.available(CPU) <= psutil.virtual_memory().total


def test_too_little_is_told_in_one_line_with_the_keys_of_what_takes_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available", lambda device: 5_000_000_000)
    moments = {
        "a step": {"weights": 1_000_000_000, "logits": 4_500_000_000, "PyTorch": 1},
        "an update": {"weights": 2_000_000_000},
    }
    keys = {"weights": ["model.n_embd"], "logits": ["train.batch_size", "model.n_embd"]}
    with pytest.raises(InputError) as caught:
        memory.require(moments, CPU, stage="train", keys=keys)
    assert str(caught.value) == (
        "train: 5.5 GB of memory will be needed on cpu for a step (logits 4.5 GB, weights 1.0 GB, "
        "PyTorch 1 bytes), 5.0 GB are available: lower train.batch_size, model.n_embd, or take a "
        "larger machine"
    )
    monkeypatch.setattr(memory, "available", lambda device: 5_500_000_001)
    memory.require(moments, CPU, stage="train", keys=keys)
    assert memory.needed(moments) == 5_500_000_001


@pytest.mark.parametrize(
    ("n", "told"), [(999, "999 bytes"), (1_500_000, "1.5 MB"), (2 * 10**13, "20,000.0 GB")]
)
def test_bytes_are_told_in_the_unit_that_people_use(n: int, told: str) -> None:
    assert memory.told_bytes(n) == told


# Sixteen tensors of 2,048 pages, written to and freed together: how many pages come anew for them
# once the first rounds are over.
FAULTS = """
import resource, sys, torch
from looking_glass.pipeline.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
torch.set_num_threads(1)
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [torch.ones(2**21) for _ in range(16)]
    held.clear()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_what_is_freed_is_kept_for_the_next_tensor() -> None:
    def pages(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        # glibc left to itself gives back what happens to lie at an end, or not: told so, always.
        given_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)}
        done = subprocess.run(command, env=given_back, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages("kept") < 2048
    assert pages("given back") > 8 * 2048
