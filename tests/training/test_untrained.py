"""A model taken as it is: its weights to the bit, its losses, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from looking_glass.gpt.checkpoint import save_checkpoint, weights_sha256
from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.loss import mean_loss
from looking_glass.pipeline.errors import InputError
from looking_glass.training.untrained import as_given
from tests.helpers.models import make_model
from tests.helpers.training import SHAPE, settings, song


def params(init: str, **changes: object) -> ModelParams:
    shape = {key: value for key, value in SHAPE.items() if key != "vocab_size"}
    rest = {"implementation": "builtin", "dropout": 0.3, "attention_dropout": 0.0}
    rest |= {"embedding_dropout": 0.3, "first_attention_dropout": 0.0}
    return ModelParams.model_validate(
        {**shape, **rest, "tie_weights": False, "init": init, **changes}
    )


def test_its_weights_are_the_given_ones_and_its_losses_theirs(tmp_path: Path) -> None:
    given = make_model(**SHAPE, tie_weights=False)
    save_checkpoint(tmp_path, given.state_dict(), given.config)
    model, history = as_given(params(str(tmp_path)), song())
    assert weights_sha256(model) == weights_sha256(given)
    assert not model.training
    (row,) = history.to_dict("records")
    assert (row["step"], math.isnan(row["batch_loss"])) == (0, True)
    assert row["val_loss"] == pytest.approx(mean_loss(given, song().val))


def test_of_a_longer_block_the_first_positions_are_taken(tmp_path: Path) -> None:
    given = make_model(**{**SHAPE, "block_size": 32}, tie_weights=False)
    save_checkpoint(tmp_path, given.state_dict(), given.config)
    model, _ = as_given(params(str(tmp_path)), song())
    assert (model.transformer.wpe.weight == given.transformer.wpe.weight[:8]).all()


@pytest.mark.parametrize("init", ["positions", "scratch"])
def test_a_model_that_nobody_gave_is_refused(init: str) -> None:
    with pytest.raises(InputError, match=rf"train.steps: 0 takes a model as it is.* got {init}"):
        as_given(params(init), song())


def test_a_text_shorter_than_the_block_is_refused(tmp_path: Path) -> None:
    given = make_model(**{**SHAPE, "block_size": 128}, tie_weights=False)
    save_checkpoint(tmp_path, given.state_dict(), given.config)
    with pytest.raises(InputError, match=r"the validation part of the text must hold"):
        as_given(params(str(tmp_path), block_size=128), song())


def test_no_steps_need_no_warm_up() -> None:
    assert settings(steps=0, warmup_steps=3).steps == 0
