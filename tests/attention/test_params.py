"""Section `attention`, and the block that the command line asks for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from looking_glass.attention.params import AttentionParams, block_index, block_name
from looking_glass.pipeline.errors import InputError

SECTION = {
    "prompts": ["a"],
    "blocks": ["last", "first"],
    "contexts": 2,
    "context_words": 2,
    "seed": 1,
}


def test_first_and_last_are_the_ends() -> None:
    assert (block_index("first", 6), block_index("last", 6)) == (0, 5)
    assert block_index("last", 1) == 0


@pytest.mark.parametrize("arguments", [[], ["second"], ["first", "last"]])
def test_one_block_is_asked_for(arguments: list[str]) -> None:
    assert [block_name([name]) for name in ("first", "last")] == ["first", "last"]
    with pytest.raises(InputError, match="one argument, first or last, is required"):
        block_name(arguments)


@pytest.mark.parametrize("blocks", [[], ["first"], ["first", "first"], ["first", "last", "last"]])
def test_both_blocks_are_required_once(blocks: list[str]) -> None:
    assert AttentionParams.model_validate(SECTION).blocks == ("last", "first")
    with pytest.raises(ValidationError, match="the report compares the two"):
        AttentionParams.model_validate({**SECTION, "blocks": blocks})


@pytest.mark.parametrize("words", [1, 13])
def test_no_more_words_than_all_of_whose_sets_can_be_tried(words: int) -> None:
    for fine in (2, 12):
        section = {**SECTION, "context_words": fine}
        assert AttentionParams.model_validate(section).context_words == fine
    with pytest.raises(ValidationError, match="context_words"):
        AttentionParams.model_validate({**SECTION, "context_words": words})
