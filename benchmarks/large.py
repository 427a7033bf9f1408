"""Time and memory of every stage on a model of GPT-2's size, taken as it is: random weights.

    python -m benchmarks.large --at /tmp/large                        make it and run every stage
    python -m benchmarks.large --at /tmp/large --only choose report   these alone, once it is made

Needs `data/encoder.json`, `data/vocab.bpe` and `data/book.txt`, which the stage `download` makes.
The weights are drawn here and learned nothing; in the blocks they are three times as wide as GPT-2
draws them, or the model would write one token again and again. They are saved in bfloat16 in three
files with an index, as large models are, and then only read: `train.steps: 0`. `SETTINGS` bounds
the work of the stages. What is measured replaces what `large.csv` has of the same stages.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from benchmarks.scale import BOOK, TABLES, run
from looking_glass.gpt.checkpoint import save_checkpoint
from looking_glass.gpt.config import GPTConfig
from looking_glass.gpt.model import GPT
from looking_glass.gpt.weight_files import INDEX_FILE, WEIGHTS_FILE
from looking_glass.pipeline.artifacts import read_csv, write_csv
from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import ROOT, edit

RESULTS = Path("benchmarks/large.csv")
GPT2 = GPTConfig(vocab_size=50_257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
WIDER = 3.0  # than GPT-2 draws the matrices of the blocks
PARTS = 3  # files of weights
STAGES = (
    *("download", "encode", "train", "evaluate", "invert", "choose", "attention first"),
    *("attention last", "yardstick", "logprob", "live", "export", "report"),
)
# What bounds the work: its blocks have 32 times the weights of the default model's.
SETTINGS: dict[str, Any] = {
    "evaluate__tokens": 2100,
    "evaluate__places": 30,
    "invert__controls": [],
    "invert__random_control": 0,
    "invert__parallel": {"restarts": 2, "steps": 60, "learning_rate": 0.1},
    "invert__prefix": {"lengths": [1, 9], "restarts": 2, "steps": 40, "learning_rate": 0.1},
    "invert__noise_trials": 2,
    "invert__search": {"steps": 2, "candidates": 8},
    "attention__contexts": 4,
    "attention__context_words": 6,
    "logprob__samples": 20,
    "logprob__max_tokens": 40,
    "logprob__stride": 512,
}


def main() -> None:
    """Print a line for each stage, and write them all to `RESULTS`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--at", type=Path, required=True, help="folder of the project to make")
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES, help="stages to run")
    parser.add_argument("--make", action="store_true", help="for the benchmark itself")
    arguments = parser.parse_args()
    for path in (BOOK, *TABLES):
        if not path.exists():
            raise InputError(f"{path} is required, and not there: run dvc repro download first")
    if arguments.make:
        make_large_project(arguments.at, GPT2)
        return
    if not (arguments.at / "params.yaml").exists():
        # In a process of its own: a stage's peak of memory begins with that of who starts it.
        again = [sys.executable, "-m", "benchmarks.large", "--at", str(arguments.at), "--make"]
        subprocess.run(again, check=True)  # noqa: S603 this script
    for stage in arguments.only:
        name, *words = stage.split()
        try:
            taken = run(["-m", f"stages.{name}", *words], arguments.at)
        except subprocess.CalledProcessError as error:
            raise InputError(f"{stage}: {error.output}") from None
        row = {"stage": stage, **taken}
        print(
            f"{stage:16} {row['seconds']:7.1f} s, {row['cpu_seconds']:7.1f} s of processors  "
            f"{row['peak_memory_mb']:6.0f} MB",
            flush=True,
        )
        keep(row)


def make_large_project(root: Path, config: GPTConfig) -> None:
    """Make a project in `root` on the book, whose model is a directory of random weights."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("looking_glass", "stages", "benchmarks"):
        (root / name).symlink_to(ROOT / name)
    save_random(root / "given", config)
    local = {"path": str(BOOK.resolve()), "sha256": None}
    for name in ("params.yaml", "CITATION.cff"):
        shutil.copy(ROOT / name, root / name)
    edit(
        root,
        download__source="local",
        download__book__local=local,
        download__tables_source="local",
        download__vocab__local={"path": str(TABLES[0].resolve())},
        download__merges__local={"path": str(TABLES[1].resolve())},
        model__init="given",
        train__steps=0,
        **{f"model__{key}": getattr(config, key) for key in ("n_layer", "n_head", "n_embd")},
        model__block_size=config.block_size,
        **SETTINGS,
    )


@torch.no_grad()
def save_random(directory: Path, config: GPTConfig) -> None:
    """Save a GPT-2 that learned nothing, in bfloat16, in `PARTS` files with an index."""
    model = GPT(config, generator=torch.Generator().manual_seed(1))
    for name, parameter in model.named_parameters():
        if ".h." in name and parameter.ndim == 2:
            parameter.mul_(WIDER)
    save_checkpoint(directory, model.state_dict(), config, vocab=TABLES[0], merges=TABLES[1])
    tensors = {name: w.bfloat16() for name, w in load_file(directory / WEIGHTS_FILE).items()}
    (directory / WEIGHTS_FILE).unlink()
    places: dict[str, str] = {}
    for part in range(PARTS):
        file = f"model-{part + 1:05}-of-{PARTS:05}.safetensors"
        mine = dict(list(tensors.items())[part::PARTS])
        save_file(mine, directory / file, metadata={"format": "pt"})
        places |= dict.fromkeys(mine, file)
    index = {"metadata": {}, "weight_map": dict(sorted(places.items()))}
    (directory / INDEX_FILE).write_text(json.dumps(index, indent=2))


def keep(row: dict[str, Any]) -> None:
    """Put a row into the table of `RESULTS`, in the place of one of the same stage."""
    old = read_csv(RESULTS).to_dict("records") if RESULTS.exists() else []
    rows = [other for other in old if other["stage"] != row["stage"]] + [row]
    rows.sort(key=lambda row: STAGES.index(row["stage"]))
    write_csv(RESULTS, pd.DataFrame(rows))


if __name__ == "__main__":
    run_stage(main)
