"""How fast sentences are scored, beside minicons, on the same lines in one run.

    python -m benchmarks.score --minicons ../minicons/bin/python --lines 400 --rounds 3

Needs what `make repro` makes. minicons wants an environment of its own (`pip install minicons
torch==2.13.0`): give its Python. The lines are the book's sentences. Both take the same model from
the same directory, in processes of their own, in turn; the start, the imports and the loading of
the model are left out. Ours is timed from bytes to CSV: with the corrected surprisals, the words
and the trigram. minicons is timed as it scores batches, with its own correction of word beginnings,
and without, which is less than ours does. Medians over rounds, and the ratio within each round, by
the clock and by the seconds of all processors, which other programs' work changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from looking_glass.pipeline.errors import InputError, run_stage

MODEL, BOOK = Path("data/model"), Path("data/book.txt")
OURS = "ours"
# What prints tokens and seconds of scoring the lines of a file: model, file, batch, correction.
MINICONS = """
import json, sys, time
from minicons import scorer
directory, file, batch, corrected = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "yes"
model = scorer.IncrementalLMScorer(directory, "cpu")
lines = open(file, encoding="utf-8").read().split("\\n")
total = lambda scores: scores.sum(0).item()
score = lambda some: model.sequence_score(
    some, reduction=total, bow_correction=corrected, bos_token=True)
score(lines[:2])
started, of_processors = time.perf_counter(), time.process_time()
for at in range(0, len(lines), batch):
    score(lines[at : at + batch])
seconds, cpu = time.perf_counter() - started, time.process_time() - of_processors
tokens = sum(len(ids) for ids in model.tokenizer(lines)["input_ids"])
print(json.dumps({"tokens": tokens, "seconds": seconds, "cpu_seconds": cpu}))
"""
THEIRS = {
    "minicons, corrected, batches of 32": ("32", "yes"),
    "minicons, corrected, one by one": ("1", "yes"),
    "minicons, plain, batches of 32": ("32", "no"),
}


def main() -> None:
    """Print tokens a second of each, and how many times as fast ours is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minicons", type=Path, help="the Python of its environment")
    parser.add_argument("--lines", type=int, default=400, help="sentences of the book")
    parser.add_argument("--rounds", type=int, default=3, help="of each in turn")
    parser.add_argument("--file", type=Path, help="for the benchmark itself: score it, and tell")
    arguments = parser.parse_args()
    if arguments.file:
        print(json.dumps(score_ours(arguments.file)))
        return
    if arguments.minicons is None or not arguments.minicons.exists():
        raise InputError("--minicons: the Python of an environment with minicons is required")
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in (OURS, *THEIRS)}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "lines.txt"
        lines = sentences()[: arguments.lines]
        file.write_text("\n".join(lines), encoding="utf-8")
        own = [sys.executable, "-m", "benchmarks.score", "--file", str(file)]
        for _ in range(arguments.rounds):
            taken[OURS].append(run(own))
            for name, how in THEIRS.items():
                theirs = [str(arguments.minicons), "-c", MINICONS, str(MODEL), str(file), *how]
                taken[name].append(run(theirs))
    print(f"{len(lines):,} lines, {int(taken[OURS][0]['tokens']):,} tokens")
    for name, rounds in taken.items():
        speeds = [one["tokens"] / one["seconds"] for one in rounds]
        ratio = {key: ratios(taken[OURS], rounds, key) for key in ("seconds", "cpu_seconds")}
        print(
            f"{name:36} {statistics.median(speeds):8,.0f} tokens/s ({min(speeds):,.0f} to "
            f"{max(speeds):,.0f})  ours is {told(ratio['seconds'])} times as fast; seconds of "
            f"processors {told(ratio['cpu_seconds'])}"
        )


def ratios(ours: list[dict[str, float]], theirs: list[dict[str, float]], key: str) -> list[float]:
    """Return, for each round, how many times as much of `key` theirs took."""
    return [two[key] / one[key] for one, two in zip(ours, theirs, strict=True)]


def told(values: list[float]) -> str:
    """Return a median and its range in words."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def sentences() -> list[str]:
    """Return the book's sentences of 3 to 40 words, in their order."""
    book = " ".join(BOOK.read_text(encoding="utf-8-sig").partition("CHAPTER I.")[2].split())
    return [one for one in re.split(r"(?<=[.!?]) ", book) if 3 <= len(one.split()) <= 40]


def score_ours(file: Path) -> dict[str, float]:
    """Return the tokens of a file's lines and the seconds that `stages.score` takes for them."""
    from stages import score

    started = of_processors = 0.0
    own = score.score_stream

    def timed(*arguments: Any) -> Any:
        nonlocal started, of_processors
        started, of_processors = time.perf_counter(), time.process_time()
        return own(*arguments)

    vars(score)["score_stream"] = timed
    with tempfile.TemporaryDirectory() as directory:
        table = Path(directory) / "scores.csv"
        sys.argv = ["score", str(file), "--out", str(table)]
        score.main()
        seconds, cpu = time.perf_counter() - started, time.process_time() - of_processors
        rows = table.read_text(encoding="utf-8").splitlines()[1:]
    tokens = sum(int(row.split(",")[-5]) for row in rows)
    return {"tokens": tokens, "seconds": seconds, "cpu_seconds": cpu}


def run(command: list[str]) -> dict[str, float]:
    """Run a command; return the JSON object in the last line that it prints."""
    done = subprocess.run(  # noqa: S603 our own, and a Python that was named
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise InputError(f"{command[0]}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    run_stage(main)
