"""The one exception that a person is meant to read."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable


class InputError(Exception):
    """Something the user gave is wrong. Says what was required, what came, and what to do."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; turn an `InputError` into one line on stderr and exit status 1.

    Ctrl-C exits with 130, so that DVC never takes an interrupted stage for a finished one.
    """
    # Words of any language are told, also where the terminal or a log has a smaller alphabet.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        main()
    except InputError as error:
        sys.exit("error: " + " ".join(str(error).split()))
    except KeyboardInterrupt:
        # What a stage writes is whole or absent, and `train` has saved its state: see `Scratch`.
        print("interrupted: the stage is unfinished, run it again", file=sys.stderr)
        sys.exit(130)
