"""Whatever params.yaml holds, it is read as it was meant or refused in one line by its key."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from looking_glass.attention.params import AttentionParams
from looking_glass.gpt.config import ModelParams
from looking_glass.inversion.params import InvertParams
from looking_glass.likelihood.params import LogprobParams
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import SECTIONS, Section, load_section
from looking_glass.report.params import ReportParams
from looking_glass.text.language import TextParams
from looking_glass.text.params import EncodeParams
from looking_glass.text.sources import DownloadParams
from looking_glass.training.params import TrainParams
from tests.helpers.project import ROOT

CLASSES: dict[str, type[Section]] = {
    "compute": ComputeParams,
    "download": DownloadParams,
    "encode": EncodeParams,
    "model": ModelParams,
    "train": TrainParams,
    "invert": InvertParams,
    "attention": AttentionParams,
    "logprob": LogprobParams,
    "report": ReportParams,
    "text": TextParams,
}
GOOD: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
HUGE = 10**30


def places(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key below the sections."""
    for key, value in tree.items():
        if above:
            yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


PLACES = list(places(GOOD))
ODD = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 3, 2**63, 2**64, HUGE, -HUGE, 1e-300, 5e-324, 1e300, 0.5),
        *(float("nan"), float("inf"), "", "x", "true", "1e3", "12:30", "2024-13-45"),
        *("x" * 100_000, "a\0b", "\ud800", "9" * 5000, [], [True], [0], [1, 1], [-1], ["x"]),
        *([[1]], [HUGE], {}, {"a": 1}, {"a": {"b": [1]}}, [None], ["\0"], [1] * 1000),
    ]
)


def mutated(tree: dict[str, Any], place: tuple[str, ...], how: str, value: Any) -> None:
    """Change one place of the tree, where it is still there."""
    for key in place[:-1]:
        tree = tree.get(key) or {}
        if not isinstance(tree, dict):
            return
    key = place[-1]
    if key in tree:
        if how == "replaced":
            tree[key] = value
        else:
            old = tree.pop(key)
            if how == "renamed":
                tree[key + "z"] = old
            elif how == "listed":
                tree[key] = [old, old]
            elif how == "texted":
                tree[key] = str(old)


CHANGE = st.tuples(
    st.sampled_from(PLACES),
    st.sampled_from(["replaced"] * 6 + ["dropped", "renamed", "listed", "texted"]),
    ODD | st.integers() | st.floats() | st.text(max_size=5),
)


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(changes=st.lists(CHANGE, min_size=1, max_size=2))
def test_a_damaged_value_is_read_or_refused_by_its_key(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[str, ...], str, Any]]
) -> None:
    tree = copy.deepcopy(GOOD)
    for place, how, value in changes:
        mutated(tree, place, how, value)
    touched = {place[0] for place, _, _ in changes}
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    # JSON is YAML, but for NaN and infinities; and it can write halves of characters.
    text = json.dumps({name: tree[name] for name in touched})
    for name, plain in (("NaN", ".nan"), ("-Infinity", "-.inf"), ("Infinity", ".inf")):
        text = text.replace(f" {name}", f" {plain}")
    path.write_text(text, encoding="utf-8")
    for name in touched:
        try:
            section = load_section(CLASSES[name], name, path)
        except InputError as error:
            line = str(error)
            assert line.startswith(f"{path}: "), line
            assert len(line) < 700, line
            assert re.search(rf"'{name}\b|section '{name}'|line \d|UTF-8|YAML", line), line
        else:
            for seed in re.findall(r"\bseed=(\d+)", repr(section)):
                torch.Generator().manual_seed(int(seed) + 65_536)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_projects_own_section_is_good(name: str) -> None:
    load_section(CLASSES[name], name, ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("compute.threads", "1000000000", "less than or equal to 1024, got 1000000000"),
        ("compute.threads", "true", "threads must be a number, got true"),
        ("train.seed", str(2**64), f"less than {2**63}, got {2**64}"),
        ("train.learning_rate", "1e-300", "greater than or equal to 0.000000000001"),
        ("train.learning_rate", ".nan", "finite number, got nan"),
        ("train.noise", "1.5", "less than or equal to 1, got 1.5"),
        ("train.sampled_tokens", str(10**12), "less than or equal to 65536"),
        ("train.steps", "!!int x", "a tag"),
        ("train.steps", "9" * 5000, "fewer digits"),
        ("train.steps", "2024-13-45", "valid integer.*got '2024-13-45'"),
        ("train.steps", "12:30:45", "valid integer.*got '12:30:45'"),
        ("model.n_embd", str(10**9), "less than or equal to 65536"),
        ("model.n_embd", "193", "n_embd must be divisible by n_head, got n_embd 193 and n_head 6"),
        ("model.init", '"a\\0b"', "text without NUL .* U.0000"),
        ("model.init", '"a\\ud800b"', "text without NUL .* U.D800"),
        ("train.warmup_steps", "400", "warmup_steps must be below steps, got 400 and 400"),
        ("invert.prefix.lengths", "[true]", "lengths must be a number, got true"),
        ("invert.prefix.lengths", "[1, 1]", "each length is required once"),
        ("invert.prefix.lengths.1", "[1, 0]", "greater than or equal to 1, got 0"),
        ("invert.prefix.lengths.0", "[-1]", "greater than or equal to 1, got -1"),
        ("invert.init_noise", "1e30", "less than or equal to 1000000"),
        ("attention.contexts", "100000", "less than or equal to 10000, got 100000"),
        ("logprob.temperature", "1e-300", "greater than or equal to 0.01"),
        ("logprob.temperature", "1e30", "less than or equal to 100"),
        ("logprob.top_p", "5e-324", "greater than or equal to 0.000001"),
        ("logprob.top_p", "true", "top_p must be a number, got true"),
        ("logprob.top_k", "1000000000", "less than or equal to 65536"),
        ("logprob.samples", str(10**9), "less than or equal to 1000000"),
        ("attention.prompts", '["a\\0"]', "text without NUL"),
        ("report.colors.primary", "x" * 100_000, "should match pattern"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_dotted_key(
    tmp_path: Path, key: str, value: str, reason: str
) -> None:
    place = [part for part in key.split(".") if not part.isdigit()]
    tree = copy.deepcopy(GOOD[place[0]])
    inner = tree
    for part in place[1:-1]:
        inner = inner[part]
    inner[place[-1]] = "HERE"
    text = yaml.safe_dump({place[0]: tree}).replace("HERE", value)
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=f"(?s){reason}") as caught:
        load_section(CLASSES[place[0]], place[0], tmp_path / "params.yaml")
    assert re.search(rf"'{re.escape(key)}'|line \d", str(caught.value)), caught.value
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_without_end_is_refused_by_its_line(tmp_path: Path, opening: str) -> None:
    (tmp_path / "params.yaml").write_text("train: " + opening * 3000)
    if opening == "- ":
        (tmp_path / "params.yaml").write_text("train:\n  " + opening * 3000)
    with pytest.raises(InputError, match=r"line [12]: at most 32 levels are required"):
        load_section(TrainParams, "train", tmp_path / "params.yaml")
