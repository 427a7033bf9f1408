"""Kill the pipeline at random moments; see whether the next run ends well, with the same bytes.

    python -m benchmarks.kills --kills 50 --seed 1

Works on a tiny project of its own that has run once (`--project` keeps it for another time), and
needs GPT-2's tables, which the stage `download` makes, in `data/`. For each kill one stage, drawn
at random, is made to run again: its outputs, and what DVC keeps of them and of its runs, are
removed. At a random moment of that `dvc repro`, its start and end included, a signal goes to dvc
alone, to the stage alone, or to their process group. As soon as dvc has ended, whatever became of
the stage, comes what `make repro` does: mending, and `dvc repro`. Then every output and `dvc.lock`
is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from looking_glass.pipeline.errors import InputError, run_stage
from tests.helpers.project import EVERY_STAGE, build

REPRO, MEND = ("dvc", "repro"), ("python", "-m", "looking_glass.pipeline.mending")
TABLES = (Path("data/encoder.json"), Path("data/vocab.bpe"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
TARGETS = ("dvc", "stage", "group")
MADE = ("data", "metrics", "reports", "dvc.lock")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
LONGEST = 300.0  # seconds that any run may take


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one kill did, and what came after."""

    stage: str
    moment: float  # seconds after dvc's start
    where: str  # what was running then
    ended: int | None  # dvc's status
    left_behind: float | None  # seconds for which the stage outlived dvc; None: it did not
    mended: str
    status: int  # of the next `dvc repro`
    different: list[str]
    parts: int  # half-written files that are left after it

    @property
    def good(self) -> bool:
        """Whether nothing was lost, and no hand was needed."""
        return self.status == 0 and not self.different and not self.parts


def main() -> None:
    """Print a line for each kill and what all of them came to; fail if one did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of moments and stages")
    parser.add_argument("--project", type=Path, help="where the tiny project is, or will be kept")
    arguments = parser.parse_args()
    for path in TABLES if arguments.project is None or not arguments.project.exists() else ():
        if not path.exists():
            raise InputError(f"{path} is required, and not there: run dvc repro download first")
    # Started in the background, this would ignore Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    draw = random.Random(arguments.seed)  # noqa: S311 a seeded draw is wanted
    with tempfile.TemporaryDirectory() as directory:
        whole = (arguments.project or Path(directory) / "whole").resolve()
        if not whole.exists():
            build(whole, (TABLES[0].resolve(), TABLES[1].resolve()))
        expected, durations = hashes(whole), dict[str, float]()
        results = []
        for number, (target, which) in enumerate(
            itertools.islice(itertools.cycle(itertools.product(TARGETS, SIGNALS)), arguments.kills)
        ):
            stage = draw.choice(EVERY_STAGE)
            root = Path(directory) / "killed"
            if stage not in durations:
                durations[stage] = undisturbed(whole, root, stage, expected)
            to_run_again(whole, root, stage)
            moment = draw.uniform(0, durations[stage])
            result = kill(root, stage, moment, target, which, expected)
            results.append((target, which, result))
            print(f"{number + 1:2} {told(target, which, result)}", flush=True)
    print(summary(results))
    if not all(result.good for *_, result in results):
        raise InputError("a kill did harm: see the lines that end in HARM")


def hashes(root: Path) -> dict[str, str]:
    """Return the SHA-256 of all that the pipeline makes, by path, but for half-written parts."""
    paths = [path for name in MADE for path in ((root / name).rglob("*"), [root / name])]
    files = [path for each in paths for path in each if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not any(part.endswith(".partial") for part in path.relative_to(root).parts)
    }


def to_run_again(whole: Path, root: Path, stage: str) -> None:
    """Copy the finished project to `root`, in which that stage has everything still to do."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(whole, root, symlinks=True)
    entry = yaml.safe_load((root / "dvc.lock").read_text())["stages"][stage]
    for run in (root / ".dvc/cache/runs").rglob("*"):
        if run.is_file() and yaml.safe_load(run.read_text())["cmd"] == entry["cmd"]:
            run.unlink()
    for out in entry["outs"]:
        kept = root / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]
        kept.unlink(missing_ok=True)
        path = root / out["path"]
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def start(
    root: Path, words: tuple[str, ...] = REPRO, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; what it says goes to `log`, if to any."""
    with (log or Path(os.devnull)).open("wb") as said:
        return subprocess.Popen(  # noqa: S603 the commands of this file
            words,
            cwd=root,
            env={**os.environ, "PATH": PATH, "DVC_NO_ANALYTICS": "1"},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def undisturbed(whole: Path, root: Path, stage: str, expected: dict[str, str]) -> float:
    """Return the seconds of the stage's `dvc repro`; raise where its bytes differ by themselves."""
    to_run_again(whole, root, stage)
    began = time.monotonic()
    status = start(root).wait(LONGEST)
    if status or hashes(root) != expected:
        raise InputError(f"{stage}: undisturbed it ended with {status} or made other bytes")
    return time.monotonic() - began


def kill(
    root: Path,
    stage: str,
    moment: float,
    target: str,
    which: signal.Signals,
    expected: dict[str, str],
) -> Result:
    """Send the signal at that moment, or as soon as there is such a process; then run again."""
    dvc = start(root)
    time.sleep(moment)
    running = processes_of(dvc.pid)
    while target == "stage" and not running and dvc.poll() is None:
        time.sleep(0.02)
        running = processes_of(dvc.pid)
    where = stage if running else "dvc"
    if dvc.poll() is not None:
        where = "ended"
    elif target == "dvc":
        dvc.send_signal(which)
    elif target == "group":
        os.killpg(dvc.pid, which)
    else:
        for process in running:
            process.send_signal(which)
    ended = dvc.wait(LONGEST)
    gone = time.monotonic()
    left_behind, log = None, root / "mended.txt"
    for words in (MEND, REPRO):
        again = start(root, words, log if words == MEND else None)
        while again.poll() is None:
            if any(alive(process) for process in running):
                left_behind = time.monotonic() - gone
            time.sleep(0.02)
    found = hashes(root)
    return Result(
        stage=stage,
        moment=moment,
        where=where,
        ended=ended,
        left_behind=left_behind,
        mended=log.read_text().strip(),
        status=again.returncode,
        different=sorted(
            path for path in {*found, *expected} if found.get(path) != expected.get(path)
        ),
        parts=sum(1 for name in MADE for _ in (root / name).rglob("*.partial")),
    )


def processes_of(dvc: int) -> list[psutil.Process]:
    """Return what dvc has started that runs a stage."""
    try:
        children = psutil.Process(dvc).children(recursive=True)
    except psutil.Error:
        return []
    return [child for child in children if _runs_a_stage(child)]


def _runs_a_stage(process: psutil.Process) -> bool:
    try:
        return any("stages." in word for word in process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def alive(process: psutil.Process) -> bool:
    """Whether a process has not ended."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def told(target: str, which: signal.Signals, result: Result) -> str:
    """Return the line of one kill."""
    left = "–" if result.left_behind is None else f"{result.left_behind:.1f} s"
    return (
        f"{which.name:7} to {target:5} after {result.moment:5.1f} s, in {result.where:15} "
        f"dvc {result.ended!s:>4}, stage left for {left:>6}, then {result.status}, "
        f"{len(result.different)} of the outputs differ, {result.parts} parts"
        f"{', mended: ' + result.mended if result.mended else ''}"
        f"{'' if result.good else '  HARM ' + json.dumps(result.different)}"
    )


def summary(results: list[tuple[str, signal.Signals, Result]]) -> str:
    """Return a table of how many kills of each kind did no harm."""
    all_of, good = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for target, which, result in results:
        all_of[target, which.name] += 1
        good[target, which.name] += result.good
    lines = [f"{'':8}" + "".join(f"{which.name:>12}" for which in SIGNALS)]
    for target in TARGETS:
        cells = ((target, which.name) for which in SIGNALS)
        lines.append(f"{target:8}" + "".join(f"{good[c]:>5} of {all_of[c]:>3}" for c in cells))
    mended = sum(1 for *_, result in results if result.mended)
    total = sum(result.good for *_, result in results)
    lines.append(f"{total} of {len(results)} without harm; {mended} had to be mended")
    return "\n".join(lines)


if __name__ == "__main__":
    run_stage(main)
