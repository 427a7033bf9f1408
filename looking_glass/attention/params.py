"""Section `attention` of the parameters."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import Section, Seed

BlockName = Literal["first", "last"]


class AttentionParams(Section):
    """Section `attention`."""

    prompts: tuple[str, ...] = Field(min_length=1)
    blocks: tuple[BlockName, ...]
    # Of the held-out text, over which explanations are judged.
    contexts: int = Field(ge=2, le=10_000)
    context_words: int = Field(ge=2, le=12)  # of each: all 2^n sets of them are tried
    seed: Seed

    @field_validator("blocks")
    @classmethod
    def _both(cls, blocks: tuple[BlockName, ...]) -> tuple[BlockName, ...]:
        if sorted(blocks) != ["first", "last"]:
            raise ValueError("[first, last] are required, for the report compares the two")
        return blocks


def block_index(name: BlockName, n_layer: int) -> int:
    """Return which block `first` or `last` is."""
    return 0 if name == "first" else n_layer - 1


def block_name(arguments: list[str]) -> BlockName:
    """Return the block asked for on the command line."""
    match arguments:
        case ["first"]:
            return "first"
        case ["last"]:
            return "last"
    raise InputError(f"stages.attention: one argument, first or last, is required, got {arguments}")
