"""Where tensors are computed, and how to get the same bits there again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import torch
import torch.utils.deterministic
from pydantic import Field

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import Section

Job = TypeVar("Job")
Result = TypeVar("Result")


class ComputeParams(Section):
    """Section `compute`, shared by every stage that runs the model."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: int = Field(ge=1, le=1024)  # OpenMP ends the process where it cannot start them
    portable: bool


# What the libraries that multiply matrices read before their first call: which instructions of the
# processor they may use, and that the number of threads is the one asked for, however many cores
# the process is allowed. A processor with wider vectors would add in another order. AVX2 is what
# x86 servers and laptops have had since 2013 to 2015; other processors take no notice.
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "AVX2,STRICT",  # Intel's: conditional bitwise reproducibility
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
}


def prepare(params: ComputeParams) -> torch.device:
    """Set this process up for bit-reproducible work and return the device to do it on.

    The number of threads is part of the result: it decides in which order partial sums are added.
    Raises `InputError` when the device asked for is not there.
    """
    # cuBLAS is reproducible only with a fixed workspace; it reads this at its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if params.portable:
        os.environ.update(PORTABLE)
    torch.set_num_threads(params.threads)
    # As use_deterministic_algorithms(True), without its seconds of importing the compiler.
    torch.set_deterministic_debug_mode("error")
    # That would also fill every new tensor with NaN, lest someone read it before writing: a
    # fortieth of a training step, and nothing here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    return select_device(params.device)


def side_by_side(
    function: Callable[[Job], Result], jobs: Iterable[Job], params: ComputeParams
) -> list[Result]:
    """Return `function` of each job, in their order, worked on by `params.threads` at a time.

    Each computes with one thread, and so gives the same bits whatever the number at work: on small
    tensors two threads of one operation mostly wait for each other.
    """
    workers = 1 if select_device(params.device).type == "cuda" else params.threads
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(function, jobs))
    finally:
        torch.set_num_threads(params.threads)


def select_device(name: str) -> torch.device:
    """Return the device of that name; `auto` takes cuda, else mps, else cpu."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name]:
        there = ", ".join(kind for kind, yes in available.items() if yes)
        raise InputError(
            f"compute.device: '{name}' is not available to PyTorch here, which has {there}: "
            "choose one of these, or auto"
        )
    return torch.device(name)
