"""Where tensors are computed, and how to get the same bits there again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import torch
import torch.utils.deterministic
from pydantic import Field
from torch import Tensor

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.memory import keep_freed_memory
from looking_glass.pipeline.params import Section

Job = TypeVar("Job")
Result = TypeVar("Result")


class ComputeParams(Section):
    """Section `compute`, shared by every stage that runs the model."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: int = Field(ge=1, le=1024)  # OpenMP ends the process where it cannot start them
    portable: bool


# The same thread takes the same part of a sum, however many cores the process is allowed.
FIXED_THREADS = {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE"}
# Which instructions and code paths numerical libraries may choose: those of every x86 processor
# since 2013 to 2015, and of Intel's library those that do not ask whose processor it is. Other
# kinds of processor take no notice. docs/reproducibility.md says how this was tested.
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # AVX2 gives Intel's and AMD's processors other last bits
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}

# Kinds of device that know no float64.
WITHOUT_FLOAT64 = {"mps"}


def prepare(params: ComputeParams) -> torch.device:
    """Set this process up for bit-reproducible work and return the device to do it on.

    The number of threads is part of the result: it decides in which order partial sums are added.
    Raises `InputError` when the device asked for is not there.
    """
    # cuBLAS is reproducible only with a fixed workspace; it reads this at its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.update(FIXED_THREADS)  # read at the first product
    if params.portable:
        _restart_with(PORTABLE)
    keep_freed_memory()
    torch.set_num_threads(params.threads)
    # As use_deterministic_algorithms(True), without its seconds of importing the compiler.
    torch.set_deterministic_debug_mode("error")
    # That would also fill every new tensor with NaN, lest someone read it before writing: a
    # fortieth of a training step, and nothing here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    return select_device(params.device)


def _restart_with(environment: dict[str, str]) -> None:
    """Start this stage anew with `environment`, unless it has it: NumPy reads it on import."""
    if any(os.environ.get(name) != value for name, value in environment.items()):
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, **environment})  # noqa: S606 ourselves


def side_by_side(
    function: Callable[[Job], Result], jobs: Iterable[Job], params: ComputeParams
) -> list[Result]:
    """Return `function` of each job, in their order, worked on by `params.threads` at a time.

    Each computes with one thread, and so gives the same bits whatever the number at work: on small
    tensors two threads of one operation mostly wait for each other. On another device than the CPU
    they are worked on one by one: they would share it.
    """
    if select_device(params.device).type != "cpu":
        return [function(job) for job in jobs]
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(params.threads) as pool:
            return list(pool.map(function, jobs))
    finally:
        torch.set_num_threads(params.threads)


def float64_device(device: torch.device) -> torch.device:
    """Return where to compute in float64 what is on `device`: there, or on the CPU."""
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def double(tensor: Tensor) -> Tensor:
    """Return `tensor` in float64, on its own device or, where that has none, on the CPU."""
    # Moved first: a copy that also converts may convert on the device.
    return tensor.to(float64_device(tensor.device)).double()


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
