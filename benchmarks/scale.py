"""How long each stage takes, and how much memory, on texts from 100 kB to 1 GB.

    python -m benchmarks.scale --sizes 0.1 1 10 --mingpt ../minGPT
    python -m benchmarks.scale --sizes 1000 --until encode

Needs what the stage `download` makes, in `data/`: the texts are made of the book there. Each stage
runs in a process of its own, in a temporary project with a tiny model and few steps: what is
measured is how a stage grows with the text, not how long it trains. With a path to minGPT's
repository, its encoder is set beside ours on the small texts: both without start and tables, ours
with as many threads as `encode` gives it, and with one. What is measured replaces what `scale.csv`
has of the same sizes and stages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from looking_glass.pipeline.artifacts import read_csv, write_csv
from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import ROOT, edit

# What prints the seconds that a text's tokens take, the tables read already. minGPT's encoder would
# download its tables: it is given those of the project.
OURS = """
import sys, time
from pathlib import Path
from looking_glass.text.cleaning import BATCH
from looking_glass.text.encoded import write_tokens
from looking_glass.text.tokenizer import Tokenizer
vocab, merges, text = sys.argv[1:]
ours, text = Tokenizer(Path(vocab), Path(merges)), open(text).read()
started = time.monotonic()
ALONE
print(time.monotonic() - started)
"""
THREADS = OURS.replace(
    "ALONE",
    "pieces = (text[at : at + BATCH] for at in range(0, len(text), BATCH))\n"
    'write_tokens(Path("whole.bin"), pieces, ours)',
)
ONE = OURS.replace("ALONE", "ours.encode_array(text)")
MINGPT = """
import json, sys, time
from mingpt.bpe import Encoder
vocab, merges, text = sys.argv[1:]
lines = open(merges, encoding="utf-8").read().split("\\n")[1:-1]
theirs = Encoder(json.load(open(vocab)), [tuple(line.split()) for line in lines])
text = open(text).read()
started = time.monotonic()
tokens = theirs.encode(text)
print(time.monotonic() - started)
"""
BOOK, TABLES = Path("data/book.txt"), (Path("data/encoder.json"), Path("data/vocab.bpe"))
RESULTS = Path("benchmarks/scale.csv")
KEYS = ["megabytes", "stage"]
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
SMALL = 1.0  # MB at most of a text that minGPT's encoder is set beside ours on
ROUNDS = 5  # of either in turn; the fastest counts
ENCODERS = {"our encoder": THREADS, "… one thread": ONE, "minGPT's encoder": MINGPT}


def main() -> None:
    """Print a line for each stage and size, and write them all to `RESULTS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES, help="MB of each text")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage")
    parser.add_argument("--mingpt", type=Path, help="minGPT's repository")
    arguments = parser.parse_args()
    for path in (BOOK, *TABLES):
        if not path.exists():
            raise InputError(f"{path} is required, and not there: run dvc repro download first")
    stages = STAGES[: STAGES.index(arguments.until) + 1]
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            make_project(root, size)
            for row in measured(root, size, stages, arguments.mingpt):
                print(
                    f"{row['megabytes']:7.1f} MB  {row['stage']:16} {row['seconds']:8.1f} s, "
                    f"{row['cpu_seconds']:8.1f} s of processors  "
                    f"{row['megabytes_per_second']:8.3f} MB/s  {row['peak_memory_mb']:6.0f} MB",
                    flush=True,
                )
                keep(row)


def keep(row: dict[str, Any]) -> None:
    """Put a row into the table of `RESULTS`, in the place of one of the same size and stage."""
    old = read_csv(RESULTS).to_dict("records") if RESULTS.exists() else []
    rows = [other for other in old if any(other[key] != row[key] for key in KEYS)] + [row]
    order = [*STAGES[:2], *ENCODERS, *STAGES[2:]]
    rows.sort(key=lambda row: (row["megabytes"], order.index(row["stage"])))
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


def measured(
    root: Path, megabytes: float, stages: Sequence[str], mingpt: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield what each stage took; stop at the first that fails, and say so."""
    for stage in stages:
        name, *arguments = stage.split()
        try:
            yield row(megabytes, stage, run(["-m", f"stages.{name}", *arguments], root))
        except subprocess.CalledProcessError as error:
            print(f"{megabytes:7.1f} MB  {stage:16} failed with {error.returncode}: {error.output}")
            return
        if stage == "encode" and mingpt is not None and megabytes <= SMALL:
            yield from side_by_side(root, megabytes, mingpt)


def side_by_side(root: Path, megabytes: float, mingpt: Path) -> Iterator[dict[str, Any]]:
    """Yield what either encoder took on the same text."""
    files = [str(path.resolve()) for path in (*TABLES, root / "books/book.txt")]
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in ENCODERS}
    for _ in range(ROUNDS):
        for name, script in ENCODERS.items():
            of_all = run(["-c", script, *files], root, PYTHONPATH=str(mingpt.resolve()))
            alone = float((root / "log.txt").read_text())
            taken[name].append({**of_all, "seconds": alone})
    for name, rounds in taken.items():
        yield row(megabytes, name, min(rounds, key=lambda taken: taken["seconds"]))


def row(megabytes: float, stage: str, taken: dict[str, float]) -> dict[str, Any]:
    """Return a row of the table."""
    speed = megabytes / taken["seconds"]
    return {"megabytes": megabytes, "stage": stage, "megabytes_per_second": speed, **taken}


def run(arguments: list[str], root: Path, **environment: str) -> dict[str, float]:
    """Run Python in `root`; return its seconds, those of all processors, and its peak of memory.

    Pages of a file that is memory-mapped count as memory too, though they can be dropped. Raises
    `CalledProcessError`, with the last line that was printed, when it fails.
    """
    started = time.monotonic()
    with (root / "log.txt").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 our own stages, by their names
            [sys.executable, *arguments],
            cwd=root,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # or it would be waited for again
    if process.returncode:
        lines = (root / "log.txt").read_text(errors="replace").strip().splitlines()
        raise subprocess.CalledProcessError(process.returncode, arguments, " ".join(lines[-1:]))
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {
        "seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": kilobytes * 1.024 / 1000,
    }


if __name__ == "__main__":
    run_stage(main)
