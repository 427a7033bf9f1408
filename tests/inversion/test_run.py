"""The stage from sentences to vectors: what is inverted, each from a seed of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from looking_glass.gpt.model import GPT
from looking_glass.inversion import memory, robustness, run
from looking_glass.inversion.ceiling import ceilings
from looking_glass.inversion.inverted import Inverted
from looking_glass.inversion.judging import Verdict
from looking_glass.inversion.params import InvertParams
from looking_glass.inversion.readings import PARALLEL, Reading
from looking_glass.inversion.run import optimise, optimise_all, targets_of
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.pipeline.errors import InputError
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.models import make_model

ALONE = ComputeParams(device="cpu", threads=1, portable=False)
WANTED = {"sentence": [5, 90, 17], "control_1": [*range(15)]}


def params(**changes: Any) -> InvertParams:
    quick = {"restarts": 2, "steps": 3, "learning_rate": 0.1}
    section = {
        "sentence": "a cat",
        "controls": ["b", "c d"],
        "random_control": 4,
        "seed": 1,
        "init_noise": 1.0,
        "parallel": quick,
        "prefix": {**quick, "objective": "margin", "starts": 1, "lengths": [1, 3]},
        "noise_trials": 2,
        "search": {"steps": 1, "candidates": 1},
    }
    return InvertParams.model_validate({**section, **changes})


@pytest.fixture
def model() -> GPT:
    return make_model()


def test_the_sentence_its_controls_and_random_tokens_are_wanted(tokenizer: Tokenizer) -> None:
    wanted = targets_of(params(), tokenizer, 16)
    assert list(wanted) == ["sentence", "control_1", "control_2", "random"]
    assert [tokenizer.decode(wanted[name]) for name in list(wanted)[:3]] == ["a cat", "b", "c d"]
    assert len(wanted["random"]) == 4
    assert wanted == targets_of(params(), tokenizer, 16)
    assert wanted["random"] != targets_of(params(seed=2), tokenizer, 16)["random"]
    assert "random" not in targets_of(params(random_control=0), tokenizer, 16)
    with pytest.raises(InputError, match="control_2: at least one token"):
        targets_of(params(controls=["b", ""]), tokenizer, 16)


def test_a_reading_that_overruns_the_block_is_left_out_and_said_to_be(
    model: GPT, capsys: pytest.CaptureFixture[str]
) -> None:
    found = optimise_all(model, WANTED, params(), ALONE)
    assert list(found["sentence"]) == [PARALLEL, Reading(1), Reading(3)]
    assert list(found["control_1"]) == [PARALLEL, Reading(1)]
    out = capsys.readouterr().out
    assert "control_1, prefix_3: left out, its 15 tokens overrun the block" in out


def test_no_reading_depends_on_which_others_run(model: GPT) -> None:
    found = optimise_all(model, WANTED, params(), ALONE)
    for reading, inversion in found["sentence"].items():
        alone = optimise(model, WANTED["sentence"], reading, params())
        assert torch.equal(inversion.vectors, alone.vectors), reading
    other = optimise(model, WANTED["sentence"], PARALLEL, params(seed=2))
    assert not torch.equal(found["sentence"][PARALLEL].vectors, other.vectors)


def test_a_prefix_has_the_objective_that_is_asked_for(model: GPT) -> None:
    vectors = {}
    for objective in ("margin", "cross_entropy"):
        section = params().prefix.model_copy(update={"objective": objective})
        for reading in (PARALLEL, Reading(3)):
            found = optimise(
                model, WANTED["sentence"], reading, params(prefix=section.model_dump())
            )
            vectors[objective, reading] = found.vectors
    assert torch.equal(vectors["margin", PARALLEL], vectors["cross_entropy", PARALLEL])
    assert not torch.equal(vectors["margin", Reading(3)], vectors["cross_entropy", Reading(3)])


def test_memory_is_asked_for_with_the_keys_that_set_it(
    model: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(run, "require", lambda needs, *rest, **named: asked.extend((needs, named)))
    optimise_all(model, WANTED, params(), ALONE)
    needs = memory.moments(model.config, WANTED, params(), 1)
    assert asked == [needs, {"stage": "invert", "keys": memory.KEYS}]


def test_of_the_exact_restarts_the_most_probable_one_is_disturbed(
    model: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_probs = torch.tensor([[-3.0, -3.0], [-1.0, -2.0], [-0.5, -0.5]])
    verdict = Verdict(
        said=torch.zeros(3, 2, dtype=torch.long),
        correct=torch.tensor([[True, True], [True, True], [False, True]]),
        log_probs=log_probs,
        ranks=torch.ones(3, 2),
        gaps=log_probs,
    )
    sentence = Inverted(
        name="sentence",
        text="",
        tokens=[5, 9],
        ceilings=ceilings(model, torch.tensor([5, 9])),
        found={},
        verdicts={PARALLEL: verdict},
    )
    saved = torch.randn(3, 2, model.config.n_embd)
    given: list[torch.Tensor] = []

    def radius(model: GPT, vectors: torch.Tensor, *rest: object, **named: object) -> float:
        given.append(vectors)
        return 0.5

    monkeypatch.setattr(robustness, "noise_radius", radius)
    found = run.robustness_of(model, sentence, PARALLEL, saved, params())
    assert torch.equal(given[0], saved[1]), "the third is more probable, and not exact"
    assert found["noise_radius"] == 0.5
