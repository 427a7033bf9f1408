"""Section `logprob` of the parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from looking_glass.gpt.sampling import Sampling
from looking_glass.pipeline.params import Section, Seed, with_line_breaks

Made = Literal["sampled", "greedy", "shuffled", "held_out"]


class LogprobParams(Section):
    """Section `logprob`."""

    prompt: str  # as written; `context` is what it means
    seed: Seed
    # Logits divided by less overflow float32's exponent; by more, all tokens are as probable.
    temperature: float = Field(ge=0.01, le=100)
    top_k: int | None = Field(ge=1, le=65_536)
    top_p: float | None = Field(ge=1e-6, le=1)
    max_tokens: int = Field(ge=1, le=65_536)  # of a sampled sentence
    samples: int = Field(ge=2, le=1_000_000)
    compare: tuple[Made, ...]
    sentences: tuple[str, ...]
    stride: int = Field(ge=1, le=65_536)  # of the window over what the block cannot hold
    bins: int = Field(ge=1, le=100)  # of the reliability diagram

    @property
    def context(self) -> str:
        """Return the prompt's text, its line breaks as such."""
        return with_line_breaks(self.prompt)

    @property
    def sampling(self) -> Sampling:
        """Return what is drawn from."""
        return Sampling(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p)
