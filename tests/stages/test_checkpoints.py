"""A damaged checkpoint gets one line from every stage that reads one, and nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from looking_glass.pipeline.errors import run_stage
from stages import attention, choose, evaluate, invert, logprob, train, yardstick
from tests.helpers.project import edit, main_of

READERS = (evaluate, invert, choose, attention, yardstick, logprob)
WHOLE = "data/model"  # as it lies in the finished project


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Return a damage that changes the tensors by their names."""

    def damage(model: Path) -> None:
        tensors = load_file(model / "model.safetensors")
        change(tensors)
        (model / "model.safetensors").unlink()
        save_file(tensors, model / "model.safetensors")

    return damage


def config(**changes: Any) -> Callable[[Path], None]:
    """Return a damage that lets the model say something else of itself."""

    def damage(model: Path) -> None:
        said = json.loads((model / "config.json").read_text())
        (model / "config.json").unlink()
        (model / "config.json").write_text(json.dumps({**said, **changes}))

    return damage


def truncated(model: Path) -> None:
    content = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").write_bytes(content[: len(content) // 2])


def fewer_tokens(model: Path) -> None:
    """A smaller vocabulary in which weights and config.json agree: the encoder has more."""

    def cut(tensors: dict[str, torch.Tensor]) -> None:
        tensors["transformer.wte.weight"] = tensors["transformer.wte.weight"][:97].clone()

    weights(cut)(model)
    config(vocab_size=97)(model)


def a_file(model: Path) -> None:
    shutil.rmtree(model)
    model.write_text("no directory")


def not_there(model: Path) -> None:
    shutil.rmtree(model)


def folders(model: Path) -> None:
    """Folders where files belong: what the system does not read, whoever asks."""
    for name in ("config.json", "model.safetensors"):
        (model / name).unlink()
        (model / name).mkdir()


LN = "transformer.ln_f.weight"
DAMAGES: dict[str, Callable[[Path], None]] = {
    "half a file": truncated,
    "NaN": weights(lambda t: t[LN].fill_(float("nan"))),
    "another shape": weights(lambda t: t.update({LN: torch.zeros(31)})),
    "another type": weights(lambda t: t.update({LN: t[LN].to(torch.int8)})),
    "a tensor less": weights(lambda t: t.pop(LN)),
    "blocks that are not there": config(n_layer=3),
    "another width": config(n_embd=64),
    "a width of a billion": config(n_embd=10**9),
    "another function": config(activation_function="relu"),
    "fewer tokens": fewer_tokens,
    "a file in its place": a_file,
    "nothing": not_there,
    "folders for files": folders,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_every_reader_refuses_it_in_one_line(
    copy: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[name](copy / WHOLE)
    shutil.rmtree(copy / "data/tables")  # what a stage would write is seen at once
    edit(copy, model__init=WHOLE)
    before = listed(copy)
    for module in (*READERS, train):
        with pytest.raises(SystemExit) as exit_:
            run_stage(main_of(module, "first"))
        line = str(exit_.value.code)
        assert line.startswith("error: "), (module.__name__, line)
        assert WHOLE in line, (module.__name__, line)
        assert len(line) < 500, (module.__name__, line)
        assert "\n" not in line
    assert capsys.readouterr().err == ""
    assert listed(copy) == before


def listed(root: Path) -> set[Path]:
    return {path for name in ("data", "metrics", ".scratch") for path in (root / name).rglob("*")}
