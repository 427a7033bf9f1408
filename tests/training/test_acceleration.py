"""Cheaper arithmetic: what it may change, and what it must leave as it is."""

from __future__ import annotations

import importlib.util
import shutil

import pytest
import torch
from torch import nn

from looking_glass.gpt.model import Block
from looking_glass.pipeline.errors import InputError
from looking_glass.training.acceleration import compile_blocks
from looking_glass.training.loop import train
from looking_glass.training.training import Training
from tests.helpers.models import make_model
from tests.helpers.training import start


def products(run: Training) -> list[torch.dtype]:
    """Return the type of what each linear map gives from now on."""
    seen: list[torch.dtype] = []
    for module in run.learner.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    return seen


def test_bfloat16_multiplies_in_training_and_leaves_weights_and_evaluation_in_float32() -> None:
    run = start(precision="bfloat16", softmax="sampled", steps=40)
    seen = products(run)
    run.step()
    assert set(seen) == {torch.bfloat16}
    parameters = list(run.learner.parameters())
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert len(gradients) > 10
    assert {tensor.dtype for tensor in (*parameters, *gradients)} == {torch.float32}
    seen.clear()
    run.exact_losses(run.corpus.val)
    assert set(seen) == {torch.float32}


def test_bfloat16_learns_nearly_what_float32_does() -> None:
    def curve(precision: str) -> list[float]:
        run = start(dropout=0.0, discount=0.0, optimizer="adamw", precision=precision, steps=40)
        return train(run)["val_loss"].tolist()

    rough, exact = curve("bfloat16"), curve("float32")
    assert rough != exact
    assert rough == pytest.approx(exact, rel=0.05)
    assert exact[-1] < exact[0] / 2


def test_compiling_is_asked_for_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(Block, "compile", lambda block: compiled.append(block))
    model = make_model(n_layer=2)
    names = list(model.state_dict())
    compile_blocks(model)
    assert compiled == model.transformer.blocks
    assert list(model.state_dict()) == names


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is nothing to compile with")
@pytest.mark.filterwarnings("ignore")  # PyTorch's compiler warns of what it does itself
def test_compiled_blocks_learn_the_same() -> None:
    def curve(compiled: bool) -> list[float]:
        run = start(dropout=0.0, discount=0.0, compile=compiled, steps=8, evaluate_every=4)
        return train(run)["val_loss"].tolist()

    assert curve(True) == pytest.approx(curve(False), rel=1e-4)


@pytest.mark.parametrize(("device", "missing"), [("cpu", "a C\\+\\+ compiler"), ("meta", "triton")])
def test_compiling_without_a_compiler_is_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, missing: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=f"on {device} it requires .*{missing}.*, there is none"):
        compile_blocks(make_model().to(device))
