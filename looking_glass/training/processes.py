"""One run of training on several processes, as torchrun starts them: a GPU each, or a CPU's share.

Every process draws the same batch, learns from its own slice of it, and the mean of the gradients
is everyone's. So all take the same steps with the same weights, and decide alike when to stop and
what to keep: no process waits for one that has left.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.stopping import StoppedError

T = TypeVar("T")
# Seconds that a process leaves the first one to report an error that both have met.
PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that train together; alone when there is one."""

    rank: int = 0  # of this one, from 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, saves and writes for all."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return `module` so that a backward pass leaves it the mean of all processes' gradients.

        All start from the first one's weights.
        """
        if self.size == 1:
            return module
        # The buffers are constants, the same everywhere: nothing is to be sent at each step.
        return DistributedDataParallel(module, broadcast_buffers=False)

    def slice(self, batch: Tensor) -> Tensor:
        """Return this process's share of a batch: (B, …) → (B / size, …), B divisible by size."""
        return batch.chunk(self.size)[self.rank]

    def mean(self, number: float, device: torch.device) -> float:
        """Return the mean of every process's `number`; computed on `device`."""
        if self.size == 1:
            return number
        total = torch.tensor(number, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return total.item() / self.size

    def share(self, value: T) -> T:
        """Return the first process's `value`, in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def require_same(self, identity: str) -> None:
        """Raise `InputError` in every process unless all of them have the same `identity`.

        Machines that differ in a text or a parameter would else learn each something else, and
        nobody would be told.
        """
        if self.size == 1:
            return
        found: list[str] = [""] * self.size
        dist.all_gather_object(found, identity)
        others = [str(rank) for rank, one in enumerate(found) if one != found[0]]
        if others:
            raise InputError(
                "all processes require the same params.yaml, data/tokens, code and PyTorch as "
                f"process 0, got others in {', '.join(others)} of 0 to {self.size - 1}: git pull "
                "and dvc pull on every machine"
            )

    def reseed(self, seed: int, step: int) -> None:
        """Seed the global generators of every process but the first for what follows `step`.

        The processes would else draw the same dropout for different blocks. The seed is made from
        `seed`, the rank and `step`, so that a stopped run needs the state of the first alone.
        """
        if not self.first:
            digest = hashlib.sha256(f"{seed} {self.rank} {step}".encode()).digest()
            torch.manual_seed(int.from_bytes(digest[:7], "little"))


ALONE = Processes()


def without_exchange(module: nn.Module, *, when: bool) -> AbstractContextManager[None]:
    """Return a context in which, if `when`, a backward pass sends no gradients to the others."""
    if when and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def process_group(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Join the processes that torchrun started; yield the place among them and its own device.

    Without torchrun that is a process alone on `device`. Raises `InputError` when several cannot
    work on such a device, there are fewer GPUs than processes, or another process is lost.
    """
    size = int(os.environ["WORLD_SIZE"]) if _launched() else 1
    if size == 1:
        yield ALONE, device
        return
    device = _own_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(rank=dist.get_rank(), size=size), device
    except RuntimeError as error:
        # Gloo has no error of its own.
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise InputError(
            f"this process requires {size - 1} others, and lost one: see what was said there, "
            "then start all of them again: training goes on from its last evaluation"
        ) from error
    finally:
        dist.destroy_process_group()


def reported_once(main: Callable[[], None]) -> Callable[[], None]:
    """Return `main` such that an `InputError` which all processes meet is reported by one.

    torchrun ends every process as soon as one has failed. So all but the first wait for that; if
    it does not come, the error is theirs alone, and they report it.
    """

    @functools.wraps(main)
    def reported() -> None:
        silent = _launched() and os.environ["RANK"] != "0"
        try:
            main()
        except InputError:
            if silent:
                time.sleep(PATIENCE)
            raise
        except StoppedError as stopped:
            if silent:
                sys.exit(stopped.status)
            raise

    return reported


def _launched() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _own_device(device: torch.device) -> torch.device:
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise InputError(
            f"compute.device: several processes require cpu or cuda, got {device.type}: "
            "set it to cpu, or train with one process"
        )
    index, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if index >= there:
        raise InputError(
            f"each process requires a GPU of its own, got {os.environ['LOCAL_WORLD_SIZE']} "
            f"processes and {there} GPUs: lower --nproc_per_node"
        )
    own = torch.device("cuda", index)
    torch.cuda.set_device(own)
    return own
