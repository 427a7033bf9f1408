"""How a stage is stopped: by a signal, or because what started it is gone.

A `dvc` that is killed leaves its stage running, which would go on writing beside the next run. So
the stage looks for the processes that started it, and ends when one of them has. A lock would not
do in its place: the next `dvc repro` may find nothing to run in this stage, so never ask for its
lock, and read what the stage that was left behind writes. Nor would Linux' own signal at the death
of a parent: between `dvc` and a stage there may be a shell or torchrun, which outlive it. (DVC 3.67
runs `$SHELL -c COMMAND`: bash and dash replace themselves by the command, other shells wait.)

Whoever starts a stage by hand may leave it: in a shell with `nohup`, say. It is not watched.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil

# What dvc and torchrun tell the processes that they start, and do not have themselves.
_MARKS = ("DVC_STAGE", "TORCHELASTIC_RUN_ID")
_STARTERS = ("dvc", "python", "torchrun")  # how their command lines begin
_EVERY = 0.2  # seconds between two looks
# Seconds in which the stage removes what it has half written. Nothing is moved into place then.
_GRACE = 5.0


class StoppedError(KeyboardInterrupt):
    """The stage was told to end, why is its text; `status` is what a shell calls such an end."""

    def __init__(self, why: str, number: int) -> None:
        super().__init__(why)
        self.status = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `StoppedError` inside when Ctrl-C or SIGTERM comes, or what started the stage is gone.

    Must be entered in the main thread. A signal that the process was told to ignore stays so.
    """
    whys = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
    before = {number: signal.getsignal(number) for number in whys}
    heard = [number for number in whys if before[number] != signal.SIG_IGN]
    ended = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        # A second one would come while what is half written is removed.
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise StoppedError(whys[signal.Signals(number)], number)

    def end_with(starters: list[psutil.Process]) -> None:
        while (gone := _gone(starters)) is None:
            if ended.wait(_EVERY):
                return
        whys[signal.SIGTERM] = _orphaned(gone)
        os.kill(os.getpid(), signal.SIGTERM)
        if not ended.wait(_GRACE):
            os._exit(128 + signal.SIGTERM)

    starters = starters_of(psutil.Process())
    if gone := _gone(starters):
        raise StoppedError(_orphaned(gone), signal.SIGTERM)
    for number in heard:
        signal.signal(number, stop)
    if starters:
        threading.Thread(target=end_with, args=(starters,), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        for number in heard:
            signal.signal(number, before[number])


def starters_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that started this one, the nearest first, up to dvc or torchrun.

    Those between carry the mark that they were given; the first without it is the one that gave
    it. Empty when neither dvc nor torchrun started it.
    """
    own = {mark: os.environ[mark] for mark in _MARKS if mark in os.environ}
    starters: list[psutil.Process] = []
    for ancestor in process.parents() if own else []:
        starters.append(ancestor)
        try:
            given = ancestor.environ()
        except psutil.Error:  # another user's, or gone
            break
        if not any(given.get(mark) == value for mark, value in own.items()):
            break
    return starters


def _gone(starters: list[psutil.Process]) -> psutil.Process | None:
    return next((one for one in starters if not _runs(one)), None)


def _orphaned(gone: psutil.Process) -> str:
    return f"what started this stage (process {gone.pid}) is gone"


def _runs(starter: psutil.Process) -> bool:
    """Whether it runs: it is not only waiting to be buried, nor was its place taken by another."""
    try:
        return (
            starter.is_running()
            and starter.status() != psutil.STATUS_ZOMBIE
            and not adopts(starter)
        )
    except psutil.Error:
        return False


def adopts(starter: psutil.Process) -> bool:
    """Whether this is what the system puts in the place of a parent that died.

    Then that happened before anyone looked, while the stage was importing what it needs. In a
    container `dvc` may itself be the first process.
    """
    if starter.pid != 1 and starter.name() != "systemd":
        return False
    return not any(word in Path(part).name for part in starter.cmdline()[:2] for word in _STARTERS)
