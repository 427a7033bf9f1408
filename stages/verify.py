"""Compare a run with the committed one: `make verify`. No stage of the DAG.

    python -m stages.verify             run the last commit anew in .verify/, and compare
    python -m stages.verify --here      compare what lies here instead

Exit status: 0 the same bytes; 3 the same numbers, other last digits; 1 something really differs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from looking_glass.pipeline.errors import run_stage
from looking_glass.verification.run import committed_copy, committed_files, fresh_run
from looking_glass.verification.verdict import SAME_BYTES, judge

ROOT, AT = Path.cwd(), Path(".verify")


def main() -> None:
    """Print the verdict and exit with its status; what was run anew stays only if it differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--here", action="store_true", help="compare what lies here")
    arguments = parser.parse_args()
    files = committed_files(ROOT)
    with committed_copy(ROOT, AT) as committed:
        found = ROOT if arguments.here else fresh_run(ROOT, AT)
        verdict = judge(files, committed, found)
    print("\n".join(verdict.told()))
    if not arguments.here:
        if verdict.exit_code == SAME_BYTES:
            shutil.rmtree(AT)
        else:
            print(f"the run is in {AT}/run")
    sys.exit(verdict.exit_code)


if __name__ == "__main__":
    run_stage(main)
