"""Run each stage where the disk takes no more, or memory is short; then again without the limit.

    python -m benchmarks.limits PROJECT

PROJECT is a tiny project that has run: `python -m benchmarks.kills --project PROJECT` makes one. A
copy of it is worked on. Each stage must end in one line and leave what was there, or make the same
bytes within the limit; after that it must make the same bytes.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.kills import hashes
from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import EVERY_STAGE

# Runs a stage whose limit is set after its imports: those take memory of their own.
UNDER = """
import importlib, resource, sys
from looking_glass.pipeline.errors import run_stage
limit, amount, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
main = importlib.import_module(f"stages.{name}").main
if limit == resource.RLIMIT_AS:
    amount += 4096 * int(open("/proc/self/statm").read().split()[0])
if amount >= 0:
    resource.setrlimit(limit, (amount, resource.getrlimit(limit)[1]))
sys.argv = [f"stages.{name}", *sys.argv[4:]]
run_stage(main)
"""
# Bytes that a file may have, and of memory beside what the imports took.
LIMITS = {"disk": (resource.RLIMIT_FSIZE, 64), "memory": (resource.RLIMIT_AS, 2**20)}


def main() -> None:
    """Print what each stage said under each limit; fail if one did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="a tiny project that has run")
    parser.add_argument("--stages", nargs="+", default=EVERY_STAGE, help="some of them alone")
    arguments = parser.parse_args()
    harm = []
    with tempfile.TemporaryDirectory() as directory:
        root = shutil.copytree(arguments.project, Path(directory) / "project", symlinks=True)
        expected = hashes(root)
        for stage in arguments.stages:
            for kind, (limit, amount) in LIMITS.items():
                status, said = run(root, stage, limit, amount)
                told = " ".join(said[-1:])
                one_line = status == 1 and len(said) == 1
                good = (one_line or status == 0) and hashes(root) == expected
                harm += [] if good else [f"{stage} ({kind})"]
                print(f"{stage:16} {kind:7} {status:4} {len(said)} line: {told}", flush=True)
            status, said = run(root, stage, resource.RLIMIT_FSIZE, -1)
            good = status == 0 and hashes(root) == expected
            harm += [] if good else [f"{stage} (again)"]
            print(
                f"{stage:16} again   {status:4} {'the same bytes' if good else 'HARM'}", flush=True
            )
    if harm:
        raise InputError(f"not one line, or not what was there: {', '.join(harm)}")


def run(root: Path, stage: str, limit: int, amount: int) -> tuple[int, list[str]]:
    """Run a stage under a limit; return its status and the lines that it wrote to stderr."""
    name, _, argument = stage.partition("@")
    words = [str(limit), str(amount), name, *filter(None, [argument])]
    done = subprocess.run(  # noqa: S603 our own stages
        [sys.executable, "-c", UNDER, *words], cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.splitlines()


if __name__ == "__main__":
    run_stage(main)
