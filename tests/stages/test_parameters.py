"""Whatever params.yaml holds, it is read as it was meant or refused in one line by its key."""

from __future__ import annotations

import ast
import copy
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml

from looking_glass.attention.params import AttentionParams
from looking_glass.gpt.config import ModelParams
from looking_glass.gpt.evaluation import EvaluateParams
from looking_glass.inversion.params import InvertParams
from looking_glass.likelihood.params import LogprobParams
from looking_glass.pipeline.compute import ComputeParams
from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.params import SECTIONS, Section, load_all, load_section, section_from
from looking_glass.report.card.params import ExportParams
from looking_glass.report.params import ReportParams
from looking_glass.text.language import TextParams
from looking_glass.text.params import EncodeParams
from looking_glass.text.sources import DownloadParams
from looking_glass.training.params import TrainParams
from tests.helpers.code import ROOMS, syntax
from tests.helpers.project import ROOT

CLASSES: dict[str, type[Section]] = {
    "compute": ComputeParams,
    "download": DownloadParams,
    "encode": EncodeParams,
    "model": ModelParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "invert": InvertParams,
    "attention": AttentionParams,
    "logprob": LogprobParams,
    "report": ReportParams,
    "export": ExportParams,
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
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 2**63, 2**64, HUGE, -HUGE, 1e-300, 5e-324, 1e300, 0.5),
    *(float("nan"), float("inf"), "", "x", "true", "on", "1", "1e3", "12:30", "2024-13-45"),
    *("x" * 100_000, "a\0b", "\ud800", "9" * 5000, [], [True], [0], [1, 1], [-1], ["x"]),
    *([[1]], [HUGE], {}, {"a": 1}, {"a": {"b": [1]}}, [None], ["\0"], [1] * 1000),
]
HOWS = [*["replaced"] * 6, "dropped", "renamed", "listed", "texted", "deeper"]
Change = tuple[tuple[str, ...], str, Any]
# A rule between two keys is told as one of the first, whichever of them was changed.
BETWEEN: dict[tuple[str, ...], tuple[str, ...]] = {
    ("model", "n_head"): ("model", "n_embd"),
    ("train", "steps"): ("train", "warmup_steps"),
}
# Values that YAML's versions or a reader in a hurry take for something else; and no YAML at all.
WRITTEN = [
    *("12:30", "!!int x", "!!python/name:os.system", "[", "{", "&a 1", "*a", "- 1", "? x", "|"),
    *("2024-13-45", "0x1F", "0o17", "017", "1_000", "~", ".nan", "-.inf", "yes", "off", "1e3"),
    *("'", '"\\ud800"', "\t1", "@", "%", "1: 2", "[[[]]]", "{a: 1, a: 2}", "9" * 400, "<<: 1"),
]


def mutated(tree: dict[str, Any], place: tuple[str, ...], how: str, value: Any) -> bool:
    """Change one place of the tree; return whether it was still there."""
    for key in place[:-1]:
        tree = tree.get(key) or {}
        if not isinstance(tree, dict):
            return False
    key = place[-1]
    if key not in tree:
        return False
    old = tree.pop(key)
    if how == "replaced":
        tree[key] = value
    elif how == "renamed":
        tree[key + "z"] = old
    elif how == "listed":
        tree[key] = [old, old]
    elif how == "texted":
        tree[key] = str(old)
    elif how == "deeper":
        tree[key] = {key: old}
    return True


def is_as_written(loaded: Any, written: Any) -> bool:
    """Return whether a value of a section says what stands in the file, and nothing else."""
    if isinstance(loaded, Section):
        kept = {name: getattr(loaded, name) for name in written}
        return all(is_as_written(kept[name], written[name]) for name in written)
    if isinstance(loaded, tuple):
        pairs = list(zip(loaded, written, strict=True)) if isinstance(written, list) else [(0, "")]
        return all(is_as_written(*pair) for pair in pairs)
    if isinstance(loaded, bool) or isinstance(written, bool):
        return loaded is written
    if isinstance(loaded, int | float):  # which text may be: "1e-4" in quotes
        return isinstance(written, int | float | str) and float(loaded) == float(written)
    if isinstance(loaded, Path):
        return isinstance(written, str) and loaded == Path(written)
    return type(written) is type(loaded) and bool(loaded == written)


def is_named(key: str, place: tuple[str, ...]) -> bool:
    """Return whether a key in a message is the changed place, above it, or inside of it."""
    named = tuple(key.split("."))
    n = min(len(named), len(place))
    same = named[: n - 1] == place[: n - 1] and named[n - 1].rstrip("z") == place[n - 1]
    return same or named == BETWEEN.get(place)


def refused(error: InputError) -> str:
    """Return the key that a refusal names, having checked its line."""
    line = str(error)
    assert line.startswith("params.yaml: "), line
    assert len(line) < 700, line
    found = re.search(r"'([^']+)'", line)
    assert found, line
    return found[1]


def drawn(generator: random.Random) -> list[Change]:
    """Return one change of the file or two: a place, what is done to it, and with what."""

    def value() -> Any:
        if generator.random() < 0.7:
            return generator.choice(ODD)
        number = generator.uniform(-1, 1) * 10 ** generator.randint(-12, 20)
        return generator.choice([number, int(number), str(number), f"{number:.3g}x"])

    return [
        (generator.choice(PLACES), generator.choice(HOWS), value())
        for _ in range(generator.randint(1, 2))
    ]


# By a plain generator: a thousand files cost less to check than Hypothesis takes to draw them.
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_damaged_files_are_read_as_they_stand_or_refused_by_their_keys(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(100):
        check_damaged(drawn(generator))


def check_damaged(changes: list[Change]) -> None:
    tree = {name: copy.deepcopy(GOOD[name]) for name in {place[0] for place, *_ in changes}}
    done = [place for place, how, value in changes if mutated(tree, place, how, value)]
    for name in tree:
        try:
            section = section_from(tree, CLASSES[name], name)
        except InputError as error:
            key = refused(error)
            assert any(is_named(key, place) for place in done), (key, done)
        else:
            assert is_as_written(section, tree[name]), (section, done)
            for seed in re.findall(r"\bseed=(\d+)", repr(section)):
                torch.Generator().manual_seed(int(seed) + 65_536)


LINES = [
    number
    for number, line in enumerate((ROOT / "params.yaml").read_text("utf-8").splitlines())
    if re.match(r"\s*\w+:", line)
]


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_line_is_read_or_refused_by_its_key_or_number(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    number, value = generator.choice(LINES), generator.choice(WRITTEN)
    how = generator.choice(["value", "value", "value", "indented", "twice", "tab", "cut"])
    lines = (ROOT / "params.yaml").read_text("utf-8").splitlines()
    line = lines[number]
    lines[number] = {
        "value": f"{line.partition(':')[0]}: {value}",
        "indented": f" {line}",
        "twice": f"{line}\n{line}",
        "tab": f"\t{line}",
        "cut": line[: line.index(":")],
    }[how]
    path = tmp_path / "damaged.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        sections = load_all(path)
        for name, cls in CLASSES.items():
            section_from(sections, cls, name, path)
    except InputError as error:
        told = str(error)
        assert told.startswith(f"{path}: "), told
        assert re.search(r"'[\w.]+'|line \d", told), told
        assert len(told) < 700, told


@pytest.mark.parametrize("value", [None, True, 7, "x", [], [1], [{"seed": 1}]])
@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_no_section_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"section '{name}' must be a mapping"):
        section_from({name: value}, CLASSES[name], name)


def test_every_section_class_is_among_those_that_are_damaged_here() -> None:
    """A class of a section's own keys, or of what is nested in them."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in ROOMS.rglob("*.py")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.ClassDef)
    }
    found, before = {"Section"}, 0
    while len(found) > before:
        before = len(found)
        found |= {name for name, above in bases.items() if above & found}
    assert {cls.__name__ for cls in reached(CLASSES.values())} == found - {"Section"}


def reached(classes: Iterable[type[Section]]) -> set[type[Section]]:
    """Return these classes and those of the fields in them."""
    known = set(classes)
    for cls in classes:
        for field in cls.model_fields.values():
            inner = [one for one in parts(field.annotation) if issubclass(one, Section)]
            known |= reached(inner)
    return known


def parts(annotation: Any) -> Iterator[type[Any]]:
    inner = get_args(annotation)
    for one in inner:
        yield from parts(one)
    if not inner and isinstance(annotation, type):
        yield annotation


@pytest.mark.parametrize("name", SECTIONS)
def test_the_projects_own_section_is_good(name: str) -> None:
    load_section(CLASSES[name], name, ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("compute.threads", "1000000000", "less than or equal to 1024, got 1000000000"),
        ("compute.threads", "true", "threads must be a number, got true"),
        ("train.compile", "1", "true or false is required, got 1"),
        ("encode.unwrap", "on", "true or false is required, got 'on'"),
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
