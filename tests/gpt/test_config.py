"""The shape of a model: what must fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from looking_glass.gpt.config import GPTConfig, ModelParams
from looking_glass.gpt.model import GPT

SHAPE = {
    "implementation": "builtin",
    "init": "scratch",
    "n_layer": 1,
    "n_head": 2,
    "n_embd": 8,
    "block_size": 8,
    "embedding_dropout": 0.75,
    "dropout": 0.25,
    "attention_dropout": 0.5,
    "first_attention_dropout": 0.125,
    "tie_weights": False,
}


def test_a_section_and_a_vocabulary_make_a_shape() -> None:
    assert ModelParams.model_validate(SHAPE).config(97) == GPTConfig(
        vocab_size=97,
        block_size=8,
        n_layer=1,
        n_head=2,
        n_embd=8,
        tie_weights=False,
        embedding_dropout=0.75,
        dropout=0.25,
        attention_dropout=0.5,
    )


def test_heads_must_share_the_width() -> None:
    with pytest.raises(ValidationError, match="n_embd must be divisible by n_head"):
        ModelParams.model_validate({**SHAPE, "n_head": 3})


@pytest.mark.parametrize("tie_weights", [True, False])
def test_the_shapes_of_weights_are_the_models_own(tie_weights: bool) -> None:
    config = GPTConfig(
        vocab_size=97, block_size=16, n_layer=3, n_head=2, n_embd=8, tie_weights=tie_weights
    )
    own = GPT(config).state_dict()
    assert config.weight_shapes() == {name: tuple(tensor.shape) for name, tensor in own.items()}
    assert list(config.weight_shapes()) == list(own), "the first that is missing is named"
