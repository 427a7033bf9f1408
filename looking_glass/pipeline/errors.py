"""The one exception that a person is meant to read, and what a machine may refuse: a line each."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable

from looking_glass.pipeline.stopping import StoppedError, stoppable

LONGEST = 1000  # characters of a line: what a user gave may be a book
# What a full disk, a missing permission and the like call for, by the name of the error number.
_CURES = (
    (FileNotFoundError, "run dvc repro, which makes what is missing"),
    (PermissionError, "give this user the right to it"),
    (BrokenPipeError, "whoever read what this stage says is gone, run it again"),
    (OSError, "free space there or lift the limit, and run the stage again"),
)
# PyTorch has an error of its own for a GPU's memory, and none for the processor's.
_NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|bad_alloc", re.IGNORECASE
)
# What most of the memory of a stage is for, by the keys of params.yaml.
SIZES = (
    *("model.n_embd", "model.n_layer", "model.block_size", "train.batch_size"),
    *("invert.parallel.restarts", "attention.contexts", "logprob.samples"),
)


class InputError(Exception):
    """Something the user gave is wrong. Says what was required, what came, and what to do."""


def shorten(text: str, most: int = 80) -> str:
    """Return `text`, its middle left out where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    kept = (most - 1) // 2
    return f"{text[:kept]}…{text[len(text) - kept :]}"


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; turn what a person can mend into one line on stderr and exit status 1.

    That is an `InputError`, what the system refuses (a full disk, a missing permission), and memory
    that does not suffice. Anything else is a fault of this program, and keeps its traceback.
    Ctrl-C exits with 130 and SIGTERM with 143, so that DVC never takes an interrupted stage for a
    finished one; so does the death of what started the stage, see `stopping`.
    """
    # Words of any language are told, also where the terminal or a log has a smaller alphabet.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with stoppable():
            main()
    except InputError as error:
        _end(str(error))
    except BrokenPipeError as error:
        # What is left to say would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _end(_refused(error))
    except OSError as error:
        _end(_refused(error))
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        said = f" ({shorten(str(error), 160)})" if str(error) else ""
        _end(
            f"the memory of this machine does not suffice{said}: lower what this stage needs of "
            f"{', '.join(SIZES)}, raise train.accumulate, or take a larger machine"
        )
    except StoppedError as stopped:
        # What a stage writes is whole or absent, and `train` has saved its state: see `Scratch`.
        print(f"{stopped}: the stage is unfinished, run it again", file=sys.stderr)
        sys.exit(stopped.status)


def _refused(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    cure = next(cure for kind, cure in _CURES if isinstance(error, kind))
    return f"{where}{what}: {cure}"


def _end(message: str) -> None:
    sys.exit("error: " + shorten(" ".join(message.split()), LONGEST))
