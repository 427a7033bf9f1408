"""How much memory a stage says that it will need, beside what it takes.

    python -m benchmarks.memory
    python -m benchmarks.memory --only train

Needs what the stage `download` makes, in `data/`. Each stage runs in a process of its own, in a
temporary project with the beginning of the book and few steps. What it takes is the largest
resident set that the system saw of that process, less what it held when it told its estimate:
Python, PyTorch and, where the model was read before, the model. With TELL_PARTS set, the parts are
printed too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch

from benchmarks.scale import make_project
from looking_glass.inversion import aiming
from looking_glass.pipeline import memory
from looking_glass.pipeline.artifacts import write_csv
from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import ROOT, edit

RESULTS = Path("benchmarks/memory.csv")
TOLD = Path("memory.json")
MEGABYTES = 0.06  # of text
SHAPES = {
    "small": {"n_embd": 128, "n_layer": 2, "n_head": 4, "block_size": 64},
    "medium": {"n_embd": 256, "n_layer": 4, "n_head": 4, "block_size": 128},
    "large": {"n_embd": 384, "n_layer": 6, "n_head": 6, "block_size": 256},
}
# What else decides, by size.
SETTINGS: dict[str, dict[str, Any]] = {
    "small": {
        "train__batch_size": 64,
        "invert__parallel__restarts": 16,
        "attention__context_words": 8,
    },
    "medium": {
        "train__batch_size": 32,
        "invert__parallel__restarts": 64,
        "attention__context_words": 10,
    },
    "large": {
        "train__batch_size": 16,
        "invert__parallel__restarts": 128,
        "attention__context_words": 12,
    },
}
# Fewer than by default: more of them take more time, and next to no more memory.
FEWER = {
    "train__steps": 2,
    "train__evaluate_every": 1,
    "invert__parallel__steps": 4,
    "invert__prefix__steps": 4,
    "invert__search__steps": 2,
    "attention__contexts": 24,
}
AIMING_STEPS = 2  # likewise: of up to 300 a state
NEEDED = ("download", "encode", "train", "choose")  # by those after them
STAGES = ("train", "invert", "choose", "yardstick")


def main() -> None:
    """Print a row for each stage and size, and write them to `RESULTS`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="*", default=list(STAGES), help="stages to measure")
    parser.add_argument("--sizes", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--stage", nargs="+", help="for the benchmark itself: run one, in here")
    arguments = parser.parse_args()
    if arguments.stage:
        run_and_tell(*arguments.stage)
        return
    rows = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as directory:
            for row in measured(Path(directory), size, arguments.only):
                print(
                    f"{size:7} {row['stage']:16} told {row['told_mb']:7.0f} MB  "
                    f"took {row['taken_mb']:7.0f} MB  {row['ratio']:5.2f}  ({row['moment']}; "
                    f"{row['before_mb']:.0f} MB before)",
                    flush=True,
                )
                rows.append({"size": size, **SHAPES[size], **row})
    write_csv(RESULTS, pd.DataFrame(rows))


def measured(root: Path, size: str, wanted: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each wanted stage; those before it run too."""
    make_project(root, MEGABYTES)
    shape = {f"model__{name}": value for name, value in SHAPES[size].items()}
    edit(root, **shape, **SETTINGS[size], **FEWER)
    for stage in ("download", "encode", *STAGES):
        name, *rest = stage.split()
        if stage not in (*NEEDED, *wanted):
            continue
        measure = stage in STAGES
        module = ["benchmarks.memory", "--stage"] if measure else [f"stages.{name}"]
        command = [sys.executable, "-m", *module, *([name] if measure else []), *rest]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(  # noqa: S603 our own stages, by their names
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        if "TELL_PARTS" in os.environ:
            print(done.stderr[-3000:])
        if done.returncode:
            raise InputError(f"{stage}, {size}: {done.stderr.strip().splitlines()[-1]}")
        if measure and stage in wanted:
            yield {"stage": stage, **json.loads((root / TOLD).read_text())}
        if stage == [one for one in STAGES if one in wanted][-1]:
            return


def run_and_tell(name: str, *arguments: str) -> None:
    """Run a stage here; write what it told and what it took to `TOLD`."""
    told: dict[str, Any] = {}

    def require(
        moments: Mapping[str, memory.Parts], device: torch.device, *, stage: str, **_: Any
    ) -> None:
        if told or stage != name:  # what comes later in a stage is a smaller part of it
            return
        told["told_mb"] = memory.needed(moments) / 1e6
        told["moment"] = memory.largest(moments)
        told["before_mb"] = psutil.Process().memory_info().rss / 1e6
        if "TELL_PARTS" in os.environ:
            for moment, parts in moments.items():
                print(moment, {n: round(b / 1e6) for n, b in parts.items()}, file=sys.stderr)

    aiming.STEPS = AIMING_STEPS
    stage = importlib.import_module(f"stages.{name}")
    for module in list(sys.modules.values()):
        if module is not memory and getattr(module, "require", None) is memory.require:
            vars(module)["require"] = require
    sys.argv = [name, *arguments]
    stage.main()
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    told["taken_mb"] = peak - told["before_mb"]
    told["ratio"] = told["told_mb"] / told["taken_mb"]
    if "TELL_PARTS" in os.environ:
        print(told, file=sys.stderr)
    TOLD.write_text(json.dumps(told))


if __name__ == "__main__":
    run_stage(main)
