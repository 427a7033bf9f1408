"""Section `train` of the parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from looking_glass.pipeline.params import Rate, Section, Seed, wrong

Precision = Literal["float32", "bfloat16"]


class TrainParams(Section):
    """Section `train`."""

    seed: Seed
    steps: int = Field(ge=0, le=100_000_000)  # 0: the model in model.init, as it is
    batch_size: int = Field(ge=1, le=65_536)
    accumulate: int = Field(ge=1, le=65_536)
    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    matrix_rate: Rate
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0, le=1e6)
    embedding_decay: float = Field(ge=0, le=1e6)
    discount: float = Field(ge=0, le=1e6)  # occurrences
    noise: float = Field(ge=0, le=1)
    softmax: Literal["full", "sampled"]
    sampled_tokens: int = Field(ge=1, le=65_536)
    precision: Precision
    compile: bool
    evaluate_every: int = Field(ge=1, le=100_000_000)
    keep: Literal["best", "last"]

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> TrainParams:
        if self.steps and self.warmup_steps >= self.steps:
            raise wrong(
                "warmup_steps",
                f"warmup_steps must be below steps, got {self.warmup_steps} and {self.steps}",
            )
        return self
