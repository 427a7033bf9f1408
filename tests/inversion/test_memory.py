"""What inverting is said to hold: more restarts, steps' activations and trials take more."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from looking_glass.inversion import memory
from looking_glass.inversion.params import InvertParams
from tests.helpers.models import make_model
from tests.helpers.project import ROOT

GIVEN: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())["invert"]
WANTED = {"sentence": [1] * 9, "control_1": [2] * 6, "random": [3] * 9}
CONFIG = make_model(vocab_size=5000, block_size=64, n_embd=32).config


def told(moment: str, part: str, threads: int = 1, **changes: Any) -> int:
    params = InvertParams.model_validate({**GIVEN, **changes})
    return memory.moments(CONFIG, WANTED, params, threads)[moment][part]


@pytest.mark.parametrize(
    ("moment", "part", "key", "field"),
    [
        ("learning the vectors", "activations", "parallel", "restarts"),
        ("learning the vectors", "activations", "prefix", "restarts"),
        ("judging them", "logits", "parallel", "restarts"),
        ("the search for real tokens", "exchanges", "search", "candidates"),
        ("disturbing them", "trials", "noise_trials", None),
    ],
)
def test_more_of_a_key_that_is_named_takes_more(
    moment: str, part: str, key: str, field: str | None
) -> None:
    more = {**GIVEN[key], field: 100 * GIVEN[key][field]} if field else 100 * GIVEN[key]
    changes: dict[str, Any] = {key: more}
    assert told(moment, part, **changes) > 2 * told(moment, part)


def test_two_threads_work_on_two_readings() -> None:
    one, two = (told("learning the vectors", "activations", n) for n in (1, 2))
    assert one < two <= 2 * one


def test_every_part_has_its_keys() -> None:
    params = InvertParams.model_validate(GIVEN)
    found = memory.moments(CONFIG, WANTED, params, 2).values()
    assert {part for parts in found for part in parts} - {"PyTorch"} == set(memory.KEYS)
