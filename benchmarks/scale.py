"""How long each stage takes, and how much memory, on texts from 100 kB to 1 GB.

    python -m benchmarks.scale --up-to 10 --mingpt ../minGPT

Needs what the stage `download` makes, in `data/`: the texts are made of the book there. Each stage
runs in a process of its own, in a temporary project with a tiny model and few steps: what is
measured is how a stage grows with the text, not how long it trains. With a path to minGPT's
repository, its encoder is set beside the stage `encode`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from looking_glass.pipeline.artifacts import write_csv
from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import ROOT, edit

BOOK, TABLES = Path("data/book.txt"), (Path("data/encoder.json"), Path("data/vocab.bpe"))
RESULTS = Path("benchmarks/scale.csv")
SIZES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # MB of text
STAGES = (
    "download",
    "encode",
    "train",
    "evaluate",
    "invert",
    "choose",
    "attention first",
    "yardstick",
    "logprob",
)
PERTURBED = 0.02  # of the words of each repetition: exchanged for other words of the book
MINGPT_AT_MOST = 1.0  # MB: it takes seconds for each
# minGPT's encoder would download its tables: it is given those of the project.
MINGPT = """
import json, sys
from mingpt.bpe import Encoder
vocab, merges, text = sys.argv[1:]
encoder = json.load(open(vocab))
lines = open(merges, encoding="utf-8").read().split("\\n")[1:-1]
n = len(Encoder(encoder, [tuple(line.split()) for line in lines]).encode(open(text).read()))
print(n)
"""


def main() -> None:
    """Print a line for each stage and size, and write them all to `RESULTS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--up-to", type=float, default=1000.0, help="MB of the largest text")
    parser.add_argument("--mingpt", type=Path, help="minGPT's repository")
    arguments = parser.parse_args()
    for path in (BOOK, *TABLES):
        if not path.exists():
            raise InputError(f"{path} is required, and not there: run dvc repro download first")
    rows = []
    for size in SIZES:
        if size <= arguments.up_to:
            with tempfile.TemporaryDirectory() as directory:
                root = Path(directory)
                make_project(root, size)
                for row in measured(root, size, arguments.mingpt):
                    print(
                        f"{row['megabytes']:7.1f} MB  {row['stage']:16} {row['seconds']:8.1f} s  "
                        f"{row['megabytes_per_second']:8.3f} MB/s  {row['peak_memory_mb']:7.0f} MB",
                        flush=True,
                    )
                    rows.append(row)
    write_csv(RESULTS, pd.DataFrame(rows))


def make_project(root: Path, megabytes: float) -> None:
    """Make a project in `root` with a text of that size, ready to run its stages one by one."""
    for name in ("looking_glass", "stages"):
        (root / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    (root / "books").mkdir()
    write_text(root / "books/book.txt", round(megabytes * 1e6))
    edit(
        root,
        download__source="local",
        download__book__local={"path": "books/book.txt", "sha256": None},
        download__tables_source="local",
        download__vocab__local={"path": str(TABLES[0].resolve())},
        download__merges__local={"path": str(TABLES[1].resolve())},
        encode__start_at=None,
        encode__stop_before=None,
        model__n_layer=2,
        model__n_head=2,
        model__n_embd=32,
        train__steps=10,
        train__evaluate_every=10,
        invert__parallel__steps=10,
        invert__parallel__restarts=2,
        invert__prefix__steps=5,
        invert__prefix__restarts=2,
        invert__search={"steps": 2, "candidates": 4},
        invert__noise_trials=4,
        attention__contexts=20,
        attention__context_words=4,
        logprob__samples=20,
    )


def write_text(path: Path, n_bytes: int) -> None:
    """Write about so many bytes of text: the book again and again, some words exchanged each time.

    The exchanged ones come from the book, so that pairs and triples go on being new.
    """
    words = np.array(BOOK.read_text(encoding="utf-8-sig").split(" "), dtype=object)
    generator = np.random.default_rng(0)
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < n_bytes:
            again = words.copy()
            changed = generator.random(len(words)) < PERTURBED
            again[changed] = generator.choice(words, int(changed.sum()))
            content = " ".join(again)[: n_bytes - written]
            file.write(content)
            written += len(content.encode())


def measured(root: Path, megabytes: float, mingpt: Path | None) -> Iterator[dict[str, object]]:
    """Yield what each stage took; stop at the first that fails, and say so."""
    for stage in STAGES:
        name, *arguments = stage.split()
        seconds, peak, code = run([sys.executable, "-m", f"stages.{name}", *arguments], root)
        if code:
            last = (root / "log.txt").read_text(errors="replace").strip().splitlines()[-1:]
            print(f"{megabytes:7.1f} MB  {stage:16} failed with {code}: {' '.join(last)}")
            return
        yield row(megabytes, stage, seconds, peak)
        if stage == "encode" and mingpt is not None and megabytes <= MINGPT_AT_MOST:
            command = [sys.executable, "-c", MINGPT, *map(str, (*TABLES, root / "books/book.txt"))]
            command[3:5] = [str(path.resolve()) for path in TABLES]
            seconds, peak, code = run(command, root, PYTHONPATH=str(mingpt.resolve()))
            if code:
                raise InputError(f"minGPT's encoder failed: {(root / 'log.txt').read_text()}")
            yield row(megabytes, "minGPT's encoder", seconds, peak)


def row(megabytes: float, stage: str, seconds: float, peak: float) -> dict[str, object]:
    """Return a row of the table."""
    return {
        "megabytes": megabytes,
        "stage": stage,
        "seconds": seconds,
        "megabytes_per_second": megabytes / seconds,
        "peak_memory_mb": peak,
    }


def run(command: list[str], root: Path, **environment: str) -> tuple[float, float, int]:
    """Run a process in `root`; return its seconds, its peak of memory in MB, and how it ended.

    Pages of a file that is memory-mapped count as memory too, though they can be dropped.
    """
    started = time.monotonic()
    with (root / "log.txt").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 our own stages, by their names
            command, cwd=root, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # or it would be waited for again
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return time.monotonic() - started, kilobytes / 1000, process.returncode


if __name__ == "__main__":
    run_stage(main)
