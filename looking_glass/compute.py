"""Where tensors are computed, and how to get the same bits there again."""

from __future__ import annotations

import os
from typing import Literal

import torch
from pydantic import Field

from looking_glass.errors import InputError
from looking_glass.params import Section


class ComputeParams(Section):
    """Section `compute`, shared by every stage that runs the model."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: int = Field(ge=1)


def prepare(params: ComputeParams) -> torch.device:
    """Set this process up for bit-reproducible work and return the device to do it on.

    The number of threads is part of the result: it decides in which order partial sums are added.
    Raises `InputError` when the device asked for is not there.
    """
    # cuBLAS is reproducible only with a fixed workspace; it reads this at its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(params.threads)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("highest")
    return select_device(params.device)


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
