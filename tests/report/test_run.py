"""The parts of a report that are the same on every machine, and parameters as rows."""

from __future__ import annotations

import re

from looking_glass.report.run import PACKAGES, flatten, public_version


def test_versions_bear_no_builds_name() -> None:
    for name in PACKAGES:
        assert re.fullmatch(r"[\d.]+(rc\d+)?", public_version(name)), name


def test_parameters_are_rows_of_dotted_keys() -> None:
    nested = {"a": {"b": 1, "c": {"d": [2, 3]}}, "e": None, "f": {}}
    assert flatten(nested) == [("a.b", 1), ("a.c.d", [2, 3]), ("e", None)]
