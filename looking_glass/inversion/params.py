"""Section `invert` of the parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from looking_glass.pipeline.params import Rate, Section, Seed

Length = Annotated[int, Field(ge=1, le=65_536)]  # vectors; with none it is the parallel reading

Objective = Literal["cross_entropy", "margin"]


class ReadingParams(Section):
    """How one reading is optimised."""

    restarts: int = Field(ge=1, le=10_000)
    steps: int = Field(ge=1, le=10_000_000)
    learning_rate: Rate


class PrefixParams(ReadingParams):
    """The prefix reading, for each of several numbers of vectors."""

    objective: Objective
    starts: int = Field(ge=1, le=10_000)  # of each restart
    lengths: tuple[Length, ...] = Field(min_length=1, max_length=100)

    @field_validator("lengths")
    @classmethod
    def _each_once(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(lengths)) < len(lengths):
            raise ValueError("each length is required once: remove those that come again")
        return lengths


class SearchParams(Section):
    """How real tokens are searched for."""

    steps: int = Field(ge=1, le=1_000_000)
    candidates: int = Field(ge=1, le=100_000)


class InvertParams(Section):
    """Section `invert`."""

    sentence: str
    controls: tuple[str, ...]
    random_control: int = Field(ge=0, le=65_536)  # tokens
    seed: Seed
    init_noise: float = Field(ge=0, le=1e6)
    parallel: ReadingParams
    prefix: PrefixParams
    noise_trials: int = Field(ge=2, le=1_000_000)
    search: SearchParams
