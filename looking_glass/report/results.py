"""What the stages found, read from where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from looking_glass.pipeline.artifacts import read_csv, read_json, read_tensors
from looking_glass.report.prose.choice import BlockName, Choice


@dataclass(frozen=True, kw_only=True)
class Results:
    """The tables and arrays of a run."""

    tables: Path  # CSVs and details, by stage
    patterns: Path  # arrays of attention, by block

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by its stage and name."""
        return read_csv(self.tables / f"{name}.csv")

    def details(self, name: str) -> dict[str, Any]:
        """Return all the numbers of a stage, by its name."""
        return read_json(self.tables / name / "details.json")

    def arrays(self, block: BlockName) -> dict[str, npt.NDArray[np.float32]]:
        """Return what the attention stage kept of a block, by prompt."""
        return read_tensors(self.patterns / block / "patterns.safetensors")

    def of_prompt(self, block: BlockName, name: str, number: int) -> pd.DataFrame:
        """Return the rows of a table about attention that are about one prompt."""
        table = self.table(f"attention/{block}/{name}")
        return table[table["prompt"] == number].drop(columns="prompt").reset_index(drop=True)

    def choice(self, block: BlockName, number: int) -> Choice:
        """Return what was found about one block and one prompt."""
        return Choice(
            block=block,
            rows=self.of_prompt(block, "rows", number),
            words=self.of_prompt(block, "words", number),
            measures=self.of_prompt(block, "measures", number),
            alternatives=self.of_prompt(block, "alternatives", number),
        )

    def inversion(self) -> dict[str, Any]:
        """Return the ceiling of the sentence, and of each reading what it reached."""
        rows = self.table("invert/readings").to_dict("records")
        return {
            "ceiling": self.table("invert/ceiling").to_dict("records")[0],
            "readings": {row["reading"]: _found_in(row) for row in rows},
        }


def _found_in(row: dict[Any, Any]) -> dict[str, Any]:
    """Return what a row holds; a step that was never reached is None, all else empty left out."""
    found = {str(name): value for name, value in row.items() if not pd.isna(value)}
    step = found.pop("first_exact_step", None)
    return {**found, "first_exact_step": None if step is None else int(step)}


def first_sentence(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about the first of a table's sentences."""
    first: pd.DataFrame = table[table["sentence"] == table["sentence"].iloc[0]]
    return first
