"""One section of params.yaml as one frozen, validated object."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from looking_glass.pipeline.errors import InputError
from looking_glass.pipeline.yaml_reader import read_yaml

PARAMS_FILE = Path("params.yaml")
SECTIONS = (
    "compute",
    "text",
    "download",
    "encode",
    "model",
    "train",
    "invert",
    "attention",
    "logprob",
    "report",
)


class Section(BaseModel):
    """Base of every section's class: immutable, and strict about keys it does not know.

    A number may come as text that is one, "1e-4" in quotes say: numeric fields accept both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        """Refuse `yes` where a number belongs: Python would take it for 1."""
        for key, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(str(key))
            if isinstance(value, bool) and field is not None and _is_number(field.annotation):
                raise ValueError(f"{key} must be a number, got {str(value).lower()}")
        return values


def _is_number(annotation: Any) -> bool:
    """Return whether a field holds a number, or a number or nothing."""
    kinds = set(get_args(annotation)) or {annotation}
    return kinds <= {int, float, type(None)}


SectionT = TypeVar("SectionT", bound=Section)


def load_section(cls: type[SectionT], name: str, path: Path = PARAMS_FILE) -> SectionT:
    """Return section `name` of the YAML file at `path` as an instance of `cls`.

    Raises `InputError`, naming file, key, what was expected and what came, when the file is no
    YAML mapping, has a section nobody reads, or the section has an unknown, missing or wrong key.
    """
    sections = load_all(path)
    if not isinstance(sections.get(name), dict):
        raise InputError(
            f"{path}: section '{name}' must be a mapping of keys to values, "
            f"got {sections.get(name)!r}"
        )
    try:
        return cls.model_validate(sections[name])
    except ValidationError as error:
        raise InputError(f"{path}: {_first_problem(error, name, cls)}") from None


def load_all(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Return every section as it is written, unvalidated but for the sections' names."""
    sections = _read_mapping(path)
    if unknown := sorted(set(map(str, sections)) - set(SECTIONS)):
        raise InputError(
            f"{path}: unknown section '{unknown[0]}'; the sections are {', '.join(SECTIONS)}: "
            "correct or remove it"
        )
    return sections


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        loaded = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} was not found in {Path.cwd().name}/: run from the project's root"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: must be UTF-8, byte {error.start} is not: save it as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        broken = "" if type(error) is yaml.MarkedYAMLError else "not valid YAML, "
        raise InputError(f"{path}: {broken}{line}{error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(loaded, dict):
        raise InputError(
            f"{path}: must be a mapping of sections to keys, got {type(loaded).__name__}"
        )
    return loaded


def _first_problem(error: ValidationError, section: str, cls: type[Section]) -> str:
    """One sentence on the first of pydantic's complaints, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    key = ".".join([section, *map(str, first["loc"])])
    if first["type"] == "extra_forbidden":
        nested = len(first["loc"]) > 1
        known = (
            "" if nested else f"; section '{section}' has the keys {', '.join(cls.model_fields)}"
        )
        text = f"unknown key '{key}'{known}: correct or remove it"
    elif first["type"] == "missing":
        text = f"missing key '{key}': add it"
    else:
        reason = first["msg"].removeprefix("Value error, ")
        reason = reason[0].lower() + reason[1:]
        got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
        text = f"'{key}': {reason}{got}"
    more = len(problems) - 1
    return text + (f" (and {more} more)" if more else "")
