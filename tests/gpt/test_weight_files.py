"""Weights in one file or several: the same model, and each damage by the name of its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel

from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from looking_glass.gpt.weight_files import INDEX_FILE, WEIGHTS_FILE, read_weights, weight_files
from looking_glass.pipeline.errors import InputError
from tests.helpers.models import make_model


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A model that transformers has written in several files."""
    save_checkpoint(tmp_path / "one", (model := make_model()).state_dict(), model.config)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "one")  # type: ignore[no-untyped-call]
    theirs.save_pretrained(tmp_path / "many", max_shard_size="3KB")
    return tmp_path / "many"


def test_parts_are_one_model(parts: Path, tmp_path: Path) -> None:
    files = weight_files(parts)
    assert files[0].name == INDEX_FILE
    assert len(files) > 2
    assert sorted(files[1:]) == sorted(parts.glob("model-*.safetensors"))
    assert weights_sha256(load_checkpoint(parts)) == weights_sha256(
        load_checkpoint(tmp_path / "one")
    )


def test_the_one_file_goes_first(parts: Path, tmp_path: Path) -> None:
    """As in transformers, when both are there."""
    (parts / WEIGHTS_FILE).write_bytes((tmp_path / "one" / WEIGHTS_FILE).read_bytes())
    assert weight_files(parts) == [parts / WEIGHTS_FILE]


def test_where_nothing_is_the_one_file_is_named(tmp_path: Path) -> None:
    assert weight_files(tmp_path) == [tmp_path / WEIGHTS_FILE]
    with pytest.raises(InputError, match=r"model.safetensors cannot be read"):
        read_weights(tmp_path)


def test_a_part_that_is_missing_or_has_other_tensors_is_named(parts: Path) -> None:
    _, first, *rest = weight_files(parts)
    tensors = load_file(first)
    name = next(iter(tensors))
    kept = {key: tensor.clone() for key, tensor in tensors.items() if key != name}
    first.unlink()
    with pytest.raises(InputError, match=rf"{first.name}: required by {INDEX_FILE}, and not there"):
        load_checkpoint(parts)
    save_file({**kept, "another": torch.zeros(1)}, first)
    with pytest.raises(InputError, match=rf"{first.name}: another is in it and not so in"):
        load_checkpoint(parts)
    save_file(kept or {"z": torch.zeros(1)}, first)
    with pytest.raises(InputError, match=rf"{first.name}: .* (is not in it|not so in)"):
        load_checkpoint(parts)
    assert rest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not valid JSON"),
        ({}, "a weight_map of tensors to files is required"),
        ({"weight_map": []}, "a weight_map of tensors to files is required"),
        ({"weight_map": {"a": "../x.safetensors"}}, "names of safetensors files beside it"),
        ({"weight_map": {"a": 3}}, "names of safetensors files beside it"),
        ({"weight_map": {"a": "model.bin"}}, "names of safetensors files beside it"),
    ],
)
def test_an_index_that_is_damaged_is_refused(parts: Path, content: Any, told: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (parts / INDEX_FILE).write_text(text)
    with pytest.raises(InputError, match=told):
        load_checkpoint(parts)


@pytest.mark.parametrize(("kind", "times"), [(torch.float32, 1), (torch.bfloat16, 2)])
def test_memory_is_reckoned_as_of_float32(
    parts: Path, monkeypatch: pytest.MonkeyPatch, kind: torch.dtype, times: int
) -> None:
    _, *files = weight_files(parts)
    for path in files:
        tensors = {name: tensor.to(kind).contiguous() for name, tensor in load_file(path).items()}
        path.unlink()
        save_file(tensors, path)
    told: list[int] = []
    monkeypatch.setattr(
        "looking_glass.gpt.weight_files.require",
        lambda needs, *_, **__: told.append(needs["its weights"]["the file's weights"]),
    )
    read_weights(parts)
    assert told == [3 * times * sum(path.stat().st_size for path in files)]
