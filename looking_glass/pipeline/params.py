"""One section of params.yaml as one frozen, validated object."""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from looking_glass.pipeline.errors import InputError, shorten
from looking_glass.pipeline.yaml_reader import read_yaml

PARAMS_FILE = Path("params.yaml")
SECTIONS = (
    "compute",
    "text",
    "download",
    "encode",
    "model",
    "train",
    "evaluate",
    "invert",
    "attention",
    "logprob",
    "report",
    "export",
)
# PyTorch takes seeds below 2^64; the room above is for those that are made by adding to this one.
Seed = Annotated[int, Field(ge=0, lt=2**63)]
# A learning rate below is no step in float32, one above no step of descent.
Rate = Annotated[float, Field(ge=1e-12, le=100)]
# No text: half of a pair that stands for one character, and what ends a path or a string in C.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80


def with_line_breaks(text: str) -> str:
    """Return a parameter's text with the line breaks that it writes as a backslash and an n."""
    return text.replace("\\n", "\n")


def wrong(key: str, reason: str) -> PydanticCustomError:
    """Return the error of a check between keys: it is told as one of `key`, its dotted name."""
    return PydanticCustomError("between_keys", "{reason}", {"key": key, "reason": reason})


class Section(BaseModel):
    """Base of every section's class: immutable, and strict about keys it does not know.

    A number may come as text that is one, "1e-4" in quotes say: numeric fields accept both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `true` where a number belongs, the reverse, and what is no text."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if kinds == {bool} and not isinstance(value, bool):  # 1, "on" and "f" are not meant so
            raise ValueError("true or false is required")
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, bool) and bool not in kinds and kinds & {int, float}:
                raise ValueError(f"{info.field_name} must be a number, got {str(one).lower()}")
            if isinstance(one, str) and (found := _NO_TEXT.search(one)):
                code = f"U+{ord(found[0]):04X}"
                raise ValueError(f"text without NUL and halves of characters is required: {code}")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that an annotation is made of: `tuple[int, ...] | None` of int and None."""
    inner = get_args(annotation)
    return set().union(*map(_kinds, inner)) if inner else {annotation}


SectionT = TypeVar("SectionT", bound=Section)


def load_section(cls: type[SectionT], name: str, path: Path = PARAMS_FILE) -> SectionT:
    """Return section `name` of the YAML file at `path` as an instance of `cls`.

    Raises `InputError`, naming file, key, what was expected and what came, when the file is no
    YAML mapping, has a section nobody reads, or the section has an unknown, missing or wrong key.
    """
    return section_from(load_all(path), cls, name, path)


def section_from(
    sections: dict[str, Any], cls: type[SectionT], name: str, path: Path = PARAMS_FILE
) -> SectionT:
    """Return section `name` of what `load_all` read at `path`; raise `InputError` as above."""
    if not isinstance(sections.get(name), dict):
        raise InputError(
            f"{path}: section '{name}' must be a mapping of keys to values, "
            f"got {_shown(sections.get(name))}"
        )
    try:
        return cls.model_validate(sections[name])
    except ValidationError as error:
        raise InputError(f"{path}: {_first_problem(error, name, cls)}") from None


def _shown(value: Any) -> str:
    return shorten(_SHORT.repr(value), 160)


def load_all(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Return every section as it is written, unvalidated but for the sections' names."""
    sections = _read_mapping(path)
    if unknown := sorted(set(map(str, sections)) - set(SECTIONS)):
        raise InputError(
            f"{path}: unknown section '{shorten(unknown[0])}'; the sections are "
            f"{', '.join(SECTIONS)}: correct or remove it"
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
        raise InputError(f"{path}: {broken}{line}{shorten(str(error.problem), 200)}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {shorten(str(error), 200)}") from None
    if not isinstance(loaded, dict):
        raise InputError(
            f"{path}: must be a mapping of sections to keys, got {type(loaded).__name__}"
        )
    return loaded


def _first_problem(error: ValidationError, section: str, cls: type[Section]) -> str:
    """One sentence on the first of pydantic's complaints, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    among = [first["ctx"]["key"]] if first["type"] == "between_keys" else []
    key = ".".join([section, *(shorten(str(part)) for part in (*first["loc"], *among))])
    if first["type"] == "extra_forbidden":
        nested = len(first["loc"]) > 1
        known = (
            "" if nested else f"; section '{section}' has the keys {', '.join(cls.model_fields)}"
        )
        text = f"unknown key '{key}'{known}: correct or remove it"
    elif first["type"] == "missing":
        text = f"missing key '{key}': add it"
    else:
        reason = shorten(first["msg"].removeprefix("Value error, "), 200)
        reason = reason[0].lower() + reason[1:]
        got = "" if isinstance(first["input"], dict) else f", got {_shown(first['input'])}"
        text = f"'{key}': {reason}{got}"
    more = len(problems) - 1
    return text + (f" (and {more} more)" if more else "")
