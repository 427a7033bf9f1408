"""What was typed in params.yaml is what is used."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from looking_glass.pipeline.yaml_reader import read_yaml


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        # Words in YAML 1.2 that are truth values, numbers or dates in 1.1.
        *((word, word) for word in ("No", "no", "Yes", "on", "OFF", "y", "n")),
        *((word, word) for word in ("12:30", "1_984", "2026-11-25", "1e", "+", "-.", "0b11")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-4", 1e-4),
        ("0.00003", 3e-5),
        (".5", 0.5),
        ("3.", 3.0),
        ("'12'", "12"),
        ('"No"', "No"),
        ("[Yes, No, 1]", ["Yes", "No", 1]),
        ("{No: on}", {"No": "on"}),
    ],
)
def test_plain_text_is_read_by_the_core_schema(typed: str, read: object) -> None:
    found = read_yaml(f"key: {typed}\n")["key"]
    assert found == read
    assert type(found) is type(read)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_what_dvcs_own_library_writes_is_read_as_it_was(value: Any) -> None:
    written = io.StringIO()
    YAML().dump({"key": value}, written)
    try:
        found = read_yaml(written.getvalue())
    except (yaml.reader.ReaderError, yaml.MarkedYAMLError):
        # Characters that PyYAML cannot read as 1.2 does: refused, and not taken for others.
        assert re.search("[^ -~\\n]", written.getvalue())
        return
    assert found == {"key": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "each key is required once, 'a' comes again"),
        ("x:\n  a: 1\n  a: 2\n", "each key is required once, 'a' comes again"),
        ("a: &one 1\n", "an anchor, &one"),
        ("a: 1\nb: *one\n", "an alias, \\*one"),
        ("[1]: 2\n", "plain text is required as a key"),
        ("a: " + "9" * 5000 + "\n", "fewer digits is required, got 5000"),
        ("a: 1\nb: 'x\u2028y'\n", "U\\+2028 in line 2 is a line break"),
        ("a: !!str 1\n", "a tag, tag:yaml.org,2002:str"),
        ("a: !python/object:os.system 1\n", "a tag, !python/object:os.system"),
    ],
)
def test_one_value_cannot_pass_for_another(text: str, problem: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match=problem):
        read_yaml(text)
