"""An unfinished run is found again by all that decides how it goes, and by nothing less."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest
import torch

from looking_glass.gpt.config import ModelParams
from looking_glass.pipeline.params import Section
from looking_glass.training.resume import Scratch, fingerprint
from tests.helpers.training import settings


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "train.bin", tmp_path / "val.bin"]
    for path, content in zip(paths, ("ab", "c"), strict=True):
        path.write_text(content)
    return paths


def test_the_same_run_has_the_same_fingerprint(files: list[Path]) -> None:
    assert fingerprint([settings()], files, 1) == fingerprint([settings()], files, 1)


def test_whatever_decides_how_a_run_goes_is_in_its_fingerprint(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Section):
        depth: int = 1

    found = {fingerprint([settings()], files, 1)}
    found.add(fingerprint([settings(learning_rate=2e-2)], files, 1))
    found.add(fingerprint([settings(), Other()], files, 1))
    found.add(fingerprint([settings()], files, 2))
    found.add(fingerprint([settings()], files[:1], 1))
    files[0].write_text("a")
    files[1].write_text("bc")
    found.add(fingerprint([settings()], files, 1))
    monkeypatch.setattr(torch, "__version__", "0.0")
    found.add(fingerprint([settings()], files, 1))
    assert len(found) == 7, "the same bytes in other files are another run too"


def test_a_line_of_code_that_changed_is_another_run(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("looking_glass.text.new")
    module.__file__ = str(tmp_path / "new.py")
    (tmp_path / "new.py").write_text("x = 1")
    before = fingerprint([settings()], files, 1)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    imported = fingerprint([settings()], files, 1)
    (tmp_path / "new.py").write_text("x = 2")
    assert len({before, imported, fingerprint([settings()], files, 1)}) == 3


def test_a_section_that_says_the_same_is_the_same_however_it_is_written(files: list[Path]) -> None:
    shape = {
        "implementation": "builtin",
        "init": "scratch",
        "n_layer": 1,
        "n_head": 1,
        "n_embd": 8,
        "block_size": 8,
        "embedding_dropout": 0,
        "dropout": 0,
        "attention_dropout": 0,
        "first_attention_dropout": 0,
        "tie_weights": True,
    }
    one, same = (ModelParams.model_validate(keys) for keys in (shape, {**shape, "dropout": "0.0"}))
    assert fingerprint([one], files, 1) == fingerprint([same], files, 1)


def test_a_state_is_found_only_by_its_own_fingerprint(tmp_path: Path) -> None:
    Scratch(tmp_path, "one").save({"done": 3})
    assert Scratch(tmp_path, "other").load() is None
    assert Scratch(tmp_path, "one").load() == {"done": 3}
    Scratch(tmp_path, "one").clear()
    assert Scratch(tmp_path, "one").load() is None


@pytest.mark.parametrize("damage", ["empty", "garbage", "half", "other keys", "other weights"])
def test_a_state_that_cannot_be_read_counts_as_none_and_is_said(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch, state = Scratch(tmp_path, "one"), {"learned": {"w": torch.zeros(9)}, "done": 3}
    scratch.save(state)
    path = tmp_path / "one/state.pt"
    found = scratch.load(state)
    assert found is not None
    assert found["done"] == 3
    whole = path.read_bytes()
    contents = {"empty": b"", "garbage": b"no state at all", "half": whole[: len(whole) // 2]}
    if damage == "other keys":
        torch.save({"done": 3}, path)
    elif damage == "other weights":
        torch.save({**state, "learned": {"w": torch.zeros(8)}}, path)
    else:
        path.write_bytes(contents[damage])
    assert scratch.load(state) is None
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "state.pt: no state to go on from (" in told
    assert scratch.load(state) is None
    assert capsys.readouterr().out == "", "it is gone, and is said once"


def test_of_abandoned_states_the_newest_few_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate("abcdef"):
        Scratch(tmp_path, name).save({"done": age})
        os.utime(tmp_path / name / "state.pt", (age, age))
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed/.state.pt.x").touch()
    Scratch(tmp_path, "mine").save({"done": 9})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["d", "e", "f", "mine"]


def test_a_state_is_on_the_disk_before_it_bears_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, path = [], tmp_path / "one/state.pt"
    monkeypatch.setattr(os, "fsync", lambda _: written.append(path.exists()))
    Scratch(tmp_path, "one").save({"done": 1})
    assert written == [False]
    assert path.exists()
