"""What a killed `dvc` leaves damaged, mended before the next run: `make repro` calls this.

DVC writes two files in place: `.dvc/tmp/rwlock`, which says who reads and writes what, and
`dvc.lock`. Killed in the middle it leaves half of one, and each later `dvc repro` stops at it. An
`rwlock` that is whole may stop DVC too: it names processes that were killed, and one of those
numbers may by now be another's.

    python -m looking_glass.pipeline.mending
"""

from __future__ import annotations

import json
from pathlib import Path

import psutil
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from looking_glass.pipeline.errors import InputError, run_stage

RWLOCK, LOCK = Path(".dvc/tmp/rwlock"), Path("dvc.lock")
ASIDE = Path(".dvc/tmp/dvc.lock.damaged")
_CONFLICT = (b"<<<<<<<", b">>>>>>>")  # how git marks it: a person's to settle


def main() -> None:
    """Mend what is damaged, a line each; say nothing where nothing is."""
    repo = Repo()
    rwlock, lock = why_rwlock_stops(), why_lock_stops(repo)
    if not rwlock and not lock:
        return
    at_work = InputError(
        f"{RWLOCK if rwlock else LOCK}: {rwlock or lock}, and may be mended only while no dvc "
        "runs here: let it end, and run make repro again"
    )
    if stages_at_work(Path.cwd()):
        raise at_work
    try:
        with repo.lock:
            mend(rwlock, lock)
    except LockError:
        raise at_work from None


def mend(rwlock: str, lock: str) -> None:
    """Remove the `rwlock`, and lay `dvc.lock` aside, each if there is a reason; print it."""
    if rwlock:
        RWLOCK.unlink()
        print(f"{RWLOCK}: {rwlock}, as a killed dvc leaves it: removed")
    if lock:
        LOCK.replace(ASIDE)
        print(f"{LOCK}: {lock}, as a killed dvc leaves it: moved to {ASIDE}, dvc writes it anew")


def why_rwlock_stops() -> str:
    """Return why DVC would not run for its `rwlock`; empty if it would."""
    try:
        held = json.loads(RWLOCK.read_bytes())
        readers = [one for each in held.get("read", {}).values() for one in each]
        processes = {int(one["pid"]) for one in (*readers, *held.get("write", {}).values())}
    except FileNotFoundError:
        return ""
    except (ValueError, TypeError, LookupError, AttributeError):
        return "damaged"
    alive = sorted(filter(psutil.pid_exists, processes))
    return f"names the process {alive[0]}, which is none of dvc's" if alive else ""


def why_lock_stops(repo: Repo) -> str:
    """Return why DVC would not read `dvc.lock`; empty if it would, or if git marked a conflict."""
    try:
        Lockfile(repo, LOCK.name).load()
    except DvcException:
        lines = LOCK.read_bytes().splitlines()
        return "" if any(line.startswith(_CONFLICT) for line in lines) else "damaged"
    return ""


def stages_at_work(root: Path) -> list[psutil.Process]:
    """Return the processes that run a stage of the project in `root` for a `dvc`.

    While they do, DVC holds no lock of its own.
    """
    return [
        process
        for process in psutil.process_iter(["environ"])
        if Path((process.info["environ"] or {}).get("DVC_ROOT", "/")) == root
    ]


if __name__ == "__main__":
    run_stage(main)
