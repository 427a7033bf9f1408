"""One section, one frozen object; every mistake is named with its file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import SECTIONS, Section, load_all, load_section
from tests.helpers.project import ROOT


class Inner(Section):
    depth: int


class Train(Section):
    """A section with one key of every sort that the real ones have."""

    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    tie: bool
    softmax: Literal["full", "sampled"]
    top_k: int | None
    inner: Inner

    @model_validator(mode="after")
    def _depth_within_steps(self) -> Train:
        if self.inner.depth > self.steps:
            raise ValueError("Depth must be at most steps: lower it")
        return self


GOOD = {
    "steps": "10",
    "learning_rate": "1e-4",
    "tie": "true",
    "softmax": "full",
    "top_k": "null",
    "inner": "{depth: 2}",
}


def written(path: Path, **changes: str | None) -> Path:
    """Write a good section `train` but for `changes` (None: without that key)."""
    keys = {**GOOD, **changes}
    lines = [f"  {key}: {value}" for key, value in keys.items() if value is not None]
    path.write_text("\n".join(["train:", *lines, ""]), encoding="utf-8")
    return path


def test_a_good_section_becomes_the_object(tmp_path: Path) -> None:
    params = load_section(Train, "train", written(tmp_path / "params.yaml"))
    assert params == Train(
        steps=10, learning_rate=1e-4, tie=True, softmax="full", top_k=None, inner=Inner(depth=2)
    )


@pytest.mark.parametrize("number", ["1e-4", "'1e-4'", "0.0001", "1.0e-4", "3e-05", "1E-4", "2"])
def test_a_float_may_be_written_in_any_way(tmp_path: Path, number: str) -> None:
    path = written(tmp_path / "params.yaml", learning_rate=number)
    assert load_section(Train, "train", path).learning_rate == float(number.strip("'"))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(number=st.floats(min_value=1e-300, max_value=1e300))
def test_a_float_written_by_python_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, number: float
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "floats.yaml", learning_rate=repr(number))
    assert load_section(Train, "train", path).learning_rate == number


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stepz": "1"}, "unknown key 'train.stepz'"),
        ({"stepz": "1"}, "has the keys steps, learning_rate, tie, softmax, top_k, inner"),
        ({"inner": "{depth: 2, width: 3}"}, "unknown key 'train.inner.width'"),
        ({"steps": None}, "missing key 'train.steps'"),
        ({"inner": "{}"}, "missing key 'train.inner.depth'"),
        ({"steps": "ten"}, "'train.steps': input should be a valid integer"),
        ({"steps": "ten"}, "got 'ten'"),
        ({"steps": "1.5"}, "'train.steps'"),
        ({"steps": "null"}, "got None"),
        ({"steps": "0"}, "greater than or equal to 1, got 0"),
        ({"learning_rate": "-1e-4"}, "greater than 0"),
        ({"learning_rate": ".nan"}, "'train.learning_rate': input should be a finite number"),
        ({"learning_rate": ".inf"}, "got inf"),
        ({"tie": "7"}, "'train.tie'"),
        ({"top_k": "true"}, "top_k must be a number, got true"),
        ({"top_k": "yes"}, "'train.top_k'"),
        ({"softmax": "half"}, "'full' or 'sampled', got 'half'"),
        ({"inner": "4"}, "'train.inner'"),
        ({"inner": "{depth: 11}"}, "'train': depth must be at most steps: lower it"),
        ({"steps": "ten", "tie": "7", "softmax": "x"}, "(and 2 more)"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_expected_and_what_came(
    tmp_path: Path, changes: dict[str, str | None], expected: str
) -> None:
    path = written(tmp_path / "params.yaml", **changes)
    with pytest.raises(InputError) as caught:
        load_section(Train, "train", path)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(f"{path}: ")
    assert "pydantic" not in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"train: {steps: 1", "not valid YAML"),
        (b"train:\n\tsteps: 1\n", "not valid YAML"),
        (b"- train\n- model\n", "must be a mapping of sections to keys, got list"),
        (b"", "must be a mapping of sections to keys, got NoneType"),
        (b"train: \xff\n", "must be UTF-8, byte 7 is not"),
        (b"trian: {steps: 1}\n", "unknown section 'trian'"),
        (b"train: {steps: 1}\n3: {}\n", "unknown section '3'"),
        (b"model: {}\n", "section 'train' must be a mapping of keys to values, got None"),
        (b"train: [1, 2]\n", "section 'train' must be a mapping of keys to values, got [1, 2]"),
    ],
)
def test_a_file_that_holds_no_such_section_is_refused(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_section(Train, "train", path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_where_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml was not found .* project's root"):
        load_section(Train, "train")


def test_a_section_cannot_be_changed_once_loaded(tmp_path: Path) -> None:
    params = load_section(Train, "train", written(tmp_path / "params.yaml"))
    with pytest.raises(ValidationError, match="frozen"):
        params.steps = 3


def test_the_projects_own_file_has_every_section_and_no_other() -> None:
    assert tuple(load_all(ROOT / "params.yaml")) == SECTIONS
