"""Section `encode` of the parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from looking_glass.pipeline.params import Section

Paragraphs = Literal["auto", "blank_lines", "indents", "lines"]
HeldOut = Literal["last", "first"]


class EncodeParams(Section):
    """Section `encode`."""

    encoding: str
    unwrap: bool
    paragraphs: Paragraphs
    start_at: str | None
    stop_before: str | None
    validation_fraction: float = Field(gt=0, lt=1)
    held_out: HeldOut
