"""Section `invert` of the parameters."""

from __future__ import annotations

from pydantic import Field

from looking_glass.pipeline.params import Section


class ReadingParams(Section):
    """How one reading is optimised."""

    restarts: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class PrefixParams(ReadingParams):
    """The prefix reading, for each of several numbers of vectors."""

    lengths: tuple[int, ...] = Field(min_length=1)


class SearchParams(Section):
    """How real tokens are searched for."""

    steps: int = Field(ge=1)
    candidates: int = Field(ge=1)


class InvertParams(Section):
    """Section `invert`."""

    sentence: str
    controls: tuple[str, ...]
    random_control: int = Field(ge=0)  # tokens
    seed: int = Field(ge=0)
    init_noise: float = Field(ge=0)
    parallel: ReadingParams
    prefix: PrefixParams
    noise_trials: int = Field(ge=2)
    search: SearchParams
