"""What the stages found, read from where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from looking_glass.pipeline.artifacts import read_csv, read_json, read_tensors
from looking_glass.pipeline.statistics import finite
from looking_glass.report.measured import settings_key
from looking_glass.report.prose.phrases import space_before
from looking_glass.report.readings import Readings, readings_in

BlockName = Literal["first", "last"]
ROW = "predicting"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What one block attended to when the model chose the 11th word of one sentence."""

    block: BlockName
    rows: pd.DataFrame  # row, head, and their numbers
    words: pd.DataFrame  # twelve rows: before, text, predicting_row, own_row, and every measure
    measures: pd.DataFrame  # measure, correlations with attention, top_word, top_effect
    alternatives: pd.DataFrame  # text, probability: what might have been chosen

    @property
    def eleventh(self) -> str:
        """The word that was chosen."""
        return str(self.words["text"].iloc[10])

    @property
    def chosen(self) -> str:
        """The token that was chosen: the first one of that word."""
        return str(self.alternatives["text"].iloc[0])

    def number(self, name: str, row: str = ROW) -> float:
        """Return a number of one of the two rows, mean over heads."""
        rows = self.rows
        return float(rows.loc[(rows["row"] == row) & (rows["head"] == "mean"), name].iloc[0])

    def measure(self, name: str) -> Any:
        """Return what is known of one measure: its correlations, its top word and effect."""
        return self.measures.set_index("measure").loc[name]

    @property
    def correlations(self) -> dict[str, tuple[float | None, float | None]]:
        """Return of each measure how attention ranks the words as its size does, and as it does."""
        table = self.measures.set_index("measure")
        pairs = table[["words_size_correlation", "words_correlation"]].itertuples()
        return {str(name): (finite(float(size)), finite(float(sign))) for name, size, sign in pairs}

    @property
    def largest_knock_out(self) -> float:
        """Return what the choice loses at most without the block's attention to a word: nats."""
        return float(self.words["knock_out"].max())


@dataclass(frozen=True, kw_only=True)
class Results:
    """The metrics, tables and arrays of a run."""

    metrics_in: Path  # JSON, by stage
    tables: Path  # CSVs and details, by stage
    patterns: Path  # arrays of attention, by block
    choices: Path  # arrays of what is the same in all blocks
    measured: Path  # the losses of several seeds with either end of the text held out

    def metrics(self) -> dict[str, Any]:
        """Return the numbers of each stage, by its name."""
        encoded = read_json(self.metrics_in / "encode.json").items()
        return {
            "encode": {name.removeprefix("book_"): value for name, value in encoded},
            "train": read_json(self.metrics_in / "train.json"),
            "evaluate": read_json(self.metrics_in / "evaluate.json"),
            "invert": self.inversion(),
            "logprob": self.details("logprob"),
        }

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by its stage and name."""
        return read_csv(self.tables / f"{name}.csv")

    def details(self, name: str) -> dict[str, Any]:
        """Return all the numbers of a stage, by its name."""
        return read_json(self.tables / name / "details.json")

    def patterns_of(self, block: BlockName) -> dict[str, npt.NDArray[np.float32]]:
        """Return what the stage `attention` kept of a block, by prompt."""
        return read_tensors(self.patterns / block / "patterns.safetensors")

    def choice_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return what the stage `choose` kept of all blocks, by prompt."""
        return read_tensors(self.choices / "choices.safetensors")

    def of_prompt(self, name: str, number: int) -> pd.DataFrame:
        """Return the rows of a table about choices or attention that are about one prompt."""
        table = self.table(name)
        return table[table["prompt"] == number].drop(columns="prompt").reset_index(drop=True)

    def choice(self, block: BlockName, number: int) -> Choice:
        """Return what was found about one block and one prompt."""
        return Choice(
            block=block,
            rows=self.of_prompt(f"attention/{block}/rows", number),
            words=self.of_prompt(f"attention/{block}/words", number).assign(
                before=space_before(self.of_prompt(f"attention/{block}/tokens", number))
            ),
            measures=self.of_prompt(f"attention/{block}/measures", number),
            alternatives=self.of_prompt("choose/alternatives", number),
        )

    def worth(self, number: int) -> pd.DataFrame:
        """Return what each word of one prompt was worth to its choice, exactly."""
        return self.of_prompt("yardstick/words", number)

    def readings(self) -> Readings:
        """Return the readings of the inversion."""
        return readings_in(self.table("invert/frontier"))

    def seeds(self, settings: dict[str, Any], book: dict[str, Any]) -> pd.DataFrame:
        """Return a row per run of these settings on this book: held_out, seed, val_loss."""
        table = read_csv(self.measured)
        key = settings_key(settings, book["tokens"], book["distinct_tokens"])
        return table[table["settings"] == key]

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
