"""Cheaper arithmetic for training, on processors that are made for it: bfloat16, and compiling."""

from __future__ import annotations

import importlib.util
import os
import shutil
from contextlib import AbstractContextManager, nullcontext

import torch

from looking_glass.gpt.model import GPT
from looking_glass.pipeline.errors import InputError
from looking_glass.training.params import Precision

CPP_COMPILERS = ("c++", "g++", "clang++")


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return a context in which matrices are multiplied in `precision`.

    Weights, sums of gradients and losses stay float32. Source: Micikevicius et al. 2018, Mixed
    precision training; bfloat16 has float32's range, so that no loss needs scaling.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def compile_blocks(model: GPT) -> None:
    """Have each block compiled at its first call, in place; names and weights stay as they are.

    Dropout then draws other numbers than without. Raises `InputError` when PyTorch would find
    nothing to compile with: a C++ compiler for a CPU, Triton for a GPU.
    """
    if model.device.type == "cpu":
        there = any(map(shutil.which, (os.environ.get("CXX", "c++"), *CPP_COMPILERS)))
        required = "a C++ compiler (g++ or clang++)"
    else:
        there, required = importlib.util.find_spec("triton") is not None, "the package triton"
    if not there:
        raise InputError(
            f"train.compile: on {model.device.type} it requires {required}, there is none: "
            "install it, or set train.compile to false"
        )
    # The compiler reads this setting; the one that prepare() makes is for everything else.
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())
    for block in model.transformer.h:  # by its own name, which minGPT's has too
        block.compile()


def uncompiled(compiled: bool) -> AbstractContextManager[object]:
    """Return a context in which `compiled` blocks run as if they were not.

    For evaluation: the compiler would take time for each new shape, and save none.
    """
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
