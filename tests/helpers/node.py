"""JavaScript outside a browser: the Node that Playwright's wheel brings, so that none is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import playwright

NODE = Path(playwright.__file__).parent / "driver" / ("node.exe" if os.name == "nt" else "node")


def node(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run Node with `given` at its standard input; what it prints is in the result."""
    return subprocess.run(
        [str(NODE), *arguments],
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def evaluated(code: str, given: str = "") -> str:
    """Return what a module of this text prints."""
    done = node("--input-type=module", "--eval", code, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout
