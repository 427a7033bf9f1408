"""What inverting is said to hold: more restarts, steps' activations and trials take more."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from looking_glass.gpt.siblings import ROWS
from looking_glass.inversion import memory
from looking_glass.inversion.neighbours import CLOUD, SAMPLE
from looking_glass.inversion.params import InvertParams
from looking_glass.pipeline.memory import COMPILER, PYTORCH
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
    more: Any = {**GIVEN[key], field: 100 * GIVEN[key][field]} if field else 100 * GIVEN[key]
    assert told(moment, part, **{key: more}) > 2 * told(moment, part)


def test_two_threads_work_on_two_readings() -> None:
    one, two = (told("learning the vectors", "activations", n) for n in (1, 2))
    assert one < two <= 2 * one


def test_every_part_has_its_keys() -> None:
    params = InvertParams.model_validate(GIVEN)
    found = memory.moments(CONFIG, WANTED, params, 2).values()
    assert {part for parts in found for part in parts} - {"PyTorch"} == set(memory.KEYS)


def test_the_moments_by_hand() -> None:
    """Nine tokens of the longest sentence, 5,000 in all, 32 channels; two layers of two heads."""
    changes = {
        "parallel": {"restarts": 16, "steps": 1, "learning_rate": 0.1},
        "prefix": {**GIVEN["prefix"], "restarts": 8, "starts": 1, "lengths": [1, 3]},
        "search": {"steps": 1, "candidates": 32},
        "noise_trials": 32,
    }
    params = InvertParams.model_validate({**GIVEN, **changes})
    found = memory.moments(CONFIG, WANTED, params, 1)
    assert list(found) == [
        *("learning the vectors", "reading the model again", "judging them", "the ceilings"),
        *("the search for real tokens", "the tables", "aiming", "disturbing them"),
    ]
    base = {"PyTorch": PYTORCH + COMPILER}
    table, logits = 4 * 5000 * 32, 4 * 16 * 9 * 5000  # bytes: of the embeddings, of the largest job
    # Activations of sixteen times nine positions; each keeps its row of two heads' patterns.
    kept = 4 * 16 * 9 * (2 * (9 * 32 + 2 * 64) + 2 * 32)
    matrices = 4 * 12 * 2 * 32**2
    weights = matrices + 4 * (13 * 2 + 64 + 2) * 32 + table
    assert found["learning the vectors"] == {
        **base,
        "activations": kept + 4 * (5 * 16 * 9 * 2048 + 2048 * 32),
        "logits": logits,
    }
    assert found["reading the model again"] == {**base, "the model": 2 * weights + matrices}
    assert found["judging them"] == {**base, "logits": 3 * logits}
    assert found["the ceilings"] == {
        **base,
        "the output layer in float64": (1 + 2 + 2 + 2) * table,
        "logits": 4 * 4 * 9 * 5000,
    }
    longest = 3 + 9 - 1  # positions of a prefix of three before eight tokens
    assert found["the search for real tokens"] == {
        **base,
        "exchanges": 4 * (32 * 9 * ROWS + (3 * 9 + 2 * longest) * 5000),
        "output layer": table,
        "activations": 4 * 15 * 32 * 32 * longest,
    }
    after = {**base, "logits": 3 * logits + 2 * table}
    assert found["the tables"] == {
        **after,
        "distances": 4 * max(CLOUD, 2 * SAMPLE) * 5000 + 2 * table,
    }
    assert found["aiming"] == {
        **after,
        "the model in float64": 2 * weights + table,
        "slopes": 2 * 4 * 32 * 9 * (2 * (9 * 32 + 2 * 64) + 2 * 32),
    }
    assert found["disturbing them"] == {
        **after,
        "trials": 4 * 32 * 9 * 5000 + 4 * 15 * 32 * 32 * longest,
    }
