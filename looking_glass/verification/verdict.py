"""What a comparison of two runs comes to: one screen for a person, one number for a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from looking_glass.verification.comparing import TOLERANCE, Difference, compare

SAME_BYTES, DIFFERS, SAME_NUMBERS = 0, 1, 3  # 2 is what argparse exits with
SHOWN = 12  # differences


@dataclass(frozen=True)
class Comparison:
    """What was found of files that both runs should have."""

    files: int
    last_digits: Sequence[str]  # files
    really: Sequence[Difference]

    @property
    def exit_code(self) -> int:
        """0: the same bytes. 3: the same numbers. 1: something really differs."""
        if self.really or not self.files:
            return DIFFERS
        return SAME_NUMBERS if self.last_digits else SAME_BYTES

    def told(self) -> list[str]:
        """Return the verdict in a line, and then what a person needs to go on."""
        if not self.files:
            return ["nothing to compare: no file under metrics/ or reports/ is committed"]
        if not self.last_digits and not self.really:
            return [f"the same bytes: {self.files} files"]
        within = f"within {TOLERANCE:.1%}"
        if not self.really:
            return [
                f"the same numbers {within}: {len(self.last_digits)} of {self.files} files differ "
                "in last digits, as another processor gives"
            ]
        by_file = Counter(one.file for one in self.really)
        lines = [
            f"{len(by_file)} of {self.files} files differ by more than {TOLERANCE:.1%}; "
            f"{len(self.last_digits)} more in last digits alone"
        ]
        # One of each file first: what differs in one row often differs in all.
        first = {one.file: one for one in reversed(self.really)}
        for file in list(first)[::-1][:SHOWN]:
            one = first[file]
            more = f"  (and {by_file[file] - 1} more)" if by_file[file] > 1 else ""
            where = f"{file}: {one.place}" if one.place else file
            lines.append(f"  {where}: committed {one.committed}, found {one.found}{more}")
        if len(by_file) > SHOWN:
            lines.append(f"  … and {len(by_file) - SHOWN} files more")
        return lines


def judge(files: Sequence[str], committed: Path, found: Path) -> Comparison:
    """Compare the same files of two directories."""
    results: Mapping[str, list[Difference] | None] = {
        file: compare(file, committed, found) for file in files
    }
    return Comparison(
        files=len(files),
        last_digits=[file for file, result in results.items() if result == []],
        really=[one for result in results.values() for one in result or []],
    )
