"""The readings of an inversion, as people call them: defined once."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from looking_glass.report.prose.phrases import count

PARALLEL = "parallel"  # its name in tables


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The readings of a run, in their order, by their names in tables."""

    vectors: dict[str, int]  # how many each learned

    @property
    def names(self) -> list[str]:
        """Return the names, the parallel reading first."""
        return list(self.vectors)

    @property
    def prefixes(self) -> list[str]:
        """Return the names of the prefix readings."""
        return [name for name in self.vectors if name != PARALLEL]

    def label(self, name: str) -> str:
        """Return what a reader calls a reading: "parallel", "prefix of 3 vectors"."""
        return PARALLEL if name == PARALLEL else f"prefix of {count(self.vectors[name], 'vector')}"


def readings_in(frontier: pd.DataFrame) -> Readings:
    """Return the readings that any sentence was inverted in."""
    found = frontier.drop_duplicates("reading")
    names = [str(name) for name in found["reading"]]
    return Readings(vectors=dict(zip(names, found["vectors"].astype(int).tolist(), strict=True)))
