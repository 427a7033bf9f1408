"""Run the tiny DAG of the tests in many surroundings; say whether every output has the same bytes.

    python -m benchmarks.same_bytes                          what can be tried on this machine
    python -m benchmarks.same_bytes --python PATH            and another Python, of its own venv
    python -m benchmarks.same_bytes --only cores locale      some of them
    python -m benchmarks.same_bytes --only none --emulate EPYC-Milan Haswell    other processors
    python -m benchmarks.same_bytes --only none --emulate    a hash to compare elsewhere

Each surrounding gets a clone of the project without its outputs or cache, and runs `dvc repro`
there. What is compared are the hashes of all outputs and metrics in dvc.lock. An emulated processor
(qemu-x86_64, Debian's qemu-user) is slow: it trains a few steps, with `compute.portable`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from looking_glass.pipeline.compute import FIXED_THREADS, PORTABLE
from tests.helpers.project import FILES, FOLDERS, build, edit

TABLES = Path("data/encoder.json").resolve(), Path("data/vocab.bpe").resolve()
NOBODY = "65534"


@dataclass(frozen=True)
class Surrounding:
    """What may differ between two people's machines and must not matter."""

    before: tuple[str, ...] = ()  # words put before the command
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "clone"
    python: str = sys.executable
    own_home: bool = True  # or else the clone is the home


SURROUNDINGS = {
    "as it is, again": Surrounding(),
    "cores: one allowed": Surrounding(before=("taskset", "-c", "0")),
    "nice 19": Surrounding(before=("nice", "-n", "19")),
    "threads wait: actively": Surrounding(environment={"OMP_WAIT_POLICY": "ACTIVE"}),
    "threads wait: passively": Surrounding(environment={"OMP_WAIT_POLICY": "PASSIVE"}),
    "threads: OMP_NUM_THREADS=1": Surrounding(environment={"OMP_NUM_THREADS": "1"}),
    "time zone: Pacific/Kiritimati": Surrounding(environment={"TZ": "Pacific/Kiritimati"}),
    "locale: C": Surrounding(environment={"LC_ALL": "C"}),
    "locale: tr_TR.UTF-8": Surrounding(
        environment={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}
    ),
    "PYTHONHASHSEED=0": Surrounding(environment={"PYTHONHASHSEED": "0"}),
    "PYTHONHASHSEED=4242": Surrounding(environment={"PYTHONHASHSEED": "4242"}),
    "umask 077": Surrounding(before=("sh", "-c", 'umask 077; exec "$@"', "sh")),
    "folder with blanks and umlauts": Surrounding(folder="ein Häuschen für Alice"),
    # In a namespace of users, in which this one has another number and no rights of root's.
    "another user": Surrounding(
        before=("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"),
        own_home=False,
    ),
}


def main() -> None:
    """Print a line for each surrounding; exit with 1 if any changed a byte."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--python", nargs="*", default=[], help="of a venv with the requirements")
    parser.add_argument("--emulate", nargs="*", help="processors that QEMU knows, or none")
    parser.add_argument("--only", nargs="*", default=[], help="words of the surroundings' names")
    arguments = parser.parse_args()
    chosen = {
        name: one
        for name, one in SURROUNDINGS.items()
        if not arguments.only or any(word in name for word in arguments.only)
    }
    chosen |= {f"Python at {path}": Surrounding(python=path) for path in arguments.python}
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        at.chmod(0o755)
        base = at / "base"
        build(base, TABLES)
        edit(base, compute__threads=2)
        failed = arguments.emulate is not None and compare_emulated(base, arguments.emulate)
        expected = run(base, Surrounding(), at / "first") if chosen else {}
        for title, surrounding in chosen.items():
            started = time.monotonic()
            found = run(base, surrounding, at / surrounding.folder)
            changed = sorted(key for key in expected if found.get(key) != expected[key])
            failed |= bool(changed)
            said = f"{len(changed)} outputs differ: {', '.join(changed[:6])}" if changed else "same"
            seconds = time.monotonic() - started
            print(f"{title:34} {said} ({len(expected)} outputs, {seconds:.0f} s)", flush=True)
    sys.exit(failed)


def compare_emulated(base: Path, processors: list[str]) -> bool:
    """Train with `compute.portable` here and on emulated processors; return whether any differs."""
    few = {"steps": 3, "warmup_steps": 0, "evaluate_every": 3, "batch_size": 2}
    edit(base, compute__portable=True, **{f"train__{name}": value for name, value in few.items()})
    expected = trained(base, [])
    print(f"weights trained here: sha256 {expected}", flush=True)
    failed = False
    for name in processors:
        found = trained(base, ["qemu-x86_64", "-cpu", name])
        failed |= found != expected
        print(f"{name:34} {'same' if found == expected else 'the model differs'}", flush=True)
    edit(base, compute__portable=False)
    return failed


def trained(base: Path, before: list[str]) -> str:
    """Return the hash of the weights that the stage `train` writes in `base`."""
    # Set from outside: what a stage starts anew would not be emulated.
    environment = {**os.environ, **PORTABLE, **FIXED_THREADS}
    command = [*before, sys.executable, "-m", "stages.train"]
    done = subprocess.run(  # noqa: S603
        command, cwd=base, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
    return hashlib.sha256((base / "data/model/model.safetensors").read_bytes()).hexdigest()


def run(base: Path, surrounding: Surrounding, clone: Path) -> dict[str, str]:
    """Return the hash of each output of a run in a clone of `base`, which is gone afterwards."""
    clone.mkdir()
    try:
        for part in (*FOLDERS, "books", "benchmarks"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(base / part, clone / part, ignore=ignored)
        for part in FILES:
            shutil.copy(base / part, clone / part)
        path = f"{Path(surrounding.python).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PATH": path,
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(clone / ".site"),
            **surrounding.environment,
        }
        if not surrounding.own_home:
            environment["HOME"] = str(clone)
        before = list(surrounding.before)
        for words in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "repro", "-q"]):
            done = subprocess.run(  # noqa: S603
                [*before, *words], cwd=clone, env=environment, capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"{' '.join(words)} failed: {done.stdout}{done.stderr}")
        lock = yaml.safe_load((clone / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for one in lock["stages"].values() for out in one["outs"]}
    finally:
        shutil.rmtree(clone)


if __name__ == "__main__":
    main()
