"""Section `train` of the parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from looking_glass.pipeline.params import Section

Precision = Literal["float32", "bfloat16"]


class TrainParams(Section):
    """Section `train`."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    optimizer: Literal["muon", "adamw"]
    learning_rate: float = Field(gt=0)
    matrix_rate: float = Field(gt=0)
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    embedding_decay: float = Field(ge=0)
    discount: float = Field(ge=0)
    noise: float = Field(ge=0)
    softmax: Literal["full", "sampled"]
    sampled_tokens: int = Field(ge=1)
    precision: Precision
    compile: bool
    evaluate_every: int = Field(ge=1)
    keep: Literal["best", "last"]

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> TrainParams:
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps must be below steps, got {self.warmup_steps} and {self.steps}"
            )
        return self
