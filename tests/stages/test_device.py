"""On a device without float64, as Apple's: every stage that computes there asks for none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from looking_glass.gpt.checkpoint import load_checkpoint
from looking_glass.inversion import ceiling
from looking_glass.inversion.robustness import survives_float64
from looking_glass.pipeline import compute
from looking_glass.pipeline.artifacts import read_csv
from stages import attention, choose, evaluate, invert, logprob, train, yardstick
from tests.helpers.device import CPU, DEVICE, device_without_float64
from tests.helpers.project import edit, main_of


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """The device, which every stage takes."""
    monkeypatch.setattr(compute, "select_device", lambda _name: DEVICE)
    monkeypatch.setattr(compute, "WITHOUT_FLOAT64", {DEVICE.type})
    with device_without_float64() as device:
        yield device


def test_the_device_refuses_what_apples_refuses(device: torch.device) -> None:
    there = torch.ones(3).to(device)
    assert (there.device, (there + 1).sum().item()) == (device, 6.0)
    for ask in (
        there.double,
        lambda: there.to("cpu", torch.float64),  # which is converted before it is copied
        lambda: torch.zeros(3, dtype=torch.float64, device=device),
        lambda: torch.ones(3).double().to(device),
    ):
        with pytest.raises(TypeError, match="has no float64"):
            ask()
    with pytest.raises(RuntimeError, match="tensors on lazy:0 and on cpu"):
        there + torch.ones(3)
    assert there.cpu().double().dtype == torch.float64


def test_no_stage_asks_it_for_float64_and_all_find_what_the_cpu_finds(
    copy: Path, read_once: None, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceiling, "MOST_STEPS", 2)
    monkeypatch.setattr(ceiling, "SHARPER", (4.0,))
    monkeypatch.setattr(evaluate, "SAMPLE_LENGTH", 2)
    edit(
        copy,
        train__steps=2,
        train__warmup_steps=0,
        train__evaluate_every=1,
        invert__parallel__steps=2,
        invert__prefix={
            "lengths": [1],
            "restarts": 2,
            "steps": 2,
            "learning_rate": 0.1,
            "objective": "margin",
            "starts": 1,
        },
        invert__controls=[],
        invert__random_control=0,
        attention__prompts=["The cat saw a mouse by the river. It was"],
        attention__contexts=2,
        attention__context_words=2,
        logprob__samples=2,
        logprob__max_tokens=8,
    )
    unlike = read_csv(copy / "data/tables/evaluate/contexts.csv").select_dtypes("number")
    for stage in (evaluate, invert, choose, yardstick, logprob):
        main_of(stage)()
    main_of(attention, "first")()
    found = read_csv(copy / "data/tables/evaluate/contexts.csv").select_dtypes("number")
    # Of five digits: what is nearly the same may have been rounded to either side.
    np.testing.assert_allclose(found, unlike, rtol=1e-4, atol=1e-5)
    main_of(train)()


def test_vectors_are_tried_in_float64_elsewhere(copy: Path, device: torch.device) -> None:
    model = load_checkpoint(copy / "data/model", device)
    vectors = torch.randn(2, 3, model.config.n_embd)
    target = torch.tensor([262, 3797, 2497])
    kept = survives_float64(model, vectors, target.to(device), parallel=True)
    alone = survives_float64(load_checkpoint(copy / "data/model"), vectors, target, parallel=True)
    assert kept.tolist() == alone.tolist()
    assert kept.device == CPU
    assert model.device == device
