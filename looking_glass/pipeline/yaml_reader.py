"""YAML 1.2 as DVC writes it, by PyYAML, which by itself reads YAML 1.1.

The two differ on plain text: `No`, `on` and `Yes` are words in 1.2 and truth values in 1.1; `12:30`
and `1_984` are words, not numbers; `2026-11-25` is no date; `1e-4` is a number. What was typed is
what is used. Source: YAML 1.2.2, section 10.3, the core schema. Keys that come twice, anchors and
tags, with which one value can pass for another, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from looking_glass.pipeline.errors import shorten

DEEPEST = 32  # levels of lists and mappings: Python's own stack ends at some hundreds
DIGITS = 400  # of an integer: the largest float has 309, and Python prints 4,300 at most
_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BREAKS = re.compile("[\x85\u2028\u2029]")
# Tag, pattern, and the characters that such text can begin with.
_CORE = (
    (_NULL, r"~|null|Null|NULL|", [*"~nN", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


class CoreLoader(yaml.SafeLoader):
    """Reads the core schema of YAML 1.2."""

    _depth = 0
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse anchors, aliases, tags and nesting without end, each with its line."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        what = None
        if isinstance(event, yaml.AliasEvent):
            what = f"an alias, *{shorten(str(event.anchor))}"
        elif event.anchor:
            what = f"an anchor, &{shorten(event.anchor)}"
        elif getattr(event, "tag", None):
            what = f"a tag, {shorten(str(event.tag))}"
        if what:
            raise yaml.MarkedYAMLError(
                problem=f"plain values are required, got {what}: write the value itself",
                problem_mark=event.start_mark,
            )
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"at most {DEEPEST} levels are required, got more: nest it less",
                problem_mark=event.start_mark,
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that comes twice: the first value would be lost."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="plain text is required as a key, got a list or a mapping",
                    problem_mark=key.start_mark,
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"each key is required once, '{shorten(key.value)}' comes again: "
                    "remove one",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """Return an integer: decimal, 0o17 or 0x1f."""
        text = str(self.construct_scalar(node))
        if len(text) > DIGITS:
            raise yaml.MarkedYAMLError(
                problem=f"a number of fewer digits is required, got {len(text)}",
                problem_mark=node.start_mark,
            )
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


for _tag, _pattern, _first in _CORE:
    CoreLoader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)
CoreLoader.add_constructor(_INT, CoreLoader.construct_number)


def read_yaml(text: str) -> Any:
    """Return the value of a YAML document; raise `yaml.YAMLError`, with its line, on a bad one."""
    if found := _BREAKS.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise yaml.MarkedYAMLError(
            problem=f"U+{ord(found[0]):04X} in line {line} is a line break in YAML 1.1 and none in "
            "1.2: write it as an escape in double quotes",
        )
    return yaml.load(text, CoreLoader)  # noqa: S506 (it derives from SafeLoader)
